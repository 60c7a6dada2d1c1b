"""A factor a channel on what a block adds."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class LayerScale(keras.layers.Layer):
    """Multiply each channel by a factor that is learnt.

    Parameters
    ----------
    initial : float
        The factor at first.

    References
    ----------
    Touvron et al., "Going Deeper with Image Transformers", ICCV 2021.
    """

    def __init__(self, initial: float = 1e-6, **layer: Any) -> None:
        super().__init__(**layer)
        self.initial = initial

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        initializer = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer=initializer)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the products."""
        return inputs * tf.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "initial": self.initial}
