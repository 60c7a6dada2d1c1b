"""Channels in several parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class SplitChannels(keras.layers.Layer):
    """Split the channels of ``[..., C]`` into a list of parts.

    Parameters
    ----------
    sizes : sequence of int
        Channels of each part; ``C`` together.
    """

    def __init__(self, sizes: Sequence[int], **layer: Any) -> None:
        super().__init__(**layer)
        self.sizes = tuple(sizes)

    def call(self, inputs: Any) -> Any:
        """Return the parts."""
        return tf.split(inputs, self.sizes, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return a shape a part."""
        return [(*tuple(input_shape)[:-1], size) for size in self.sizes]

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "sizes": list(self.sizes)}
