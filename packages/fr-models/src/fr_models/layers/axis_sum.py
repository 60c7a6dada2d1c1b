"""Sum over one axis."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class AxisSum(keras.layers.Layer):
    """Sum over an axis, which goes.

    Parameters
    ----------
    axis : int
        Which, from the last, -1, backward.
    """

    def __init__(self, axis: int, **layer: Any) -> None:
        super().__init__(**layer)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """Return the sums."""
        return tf.reduce_sum(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave the axis out."""
        shape = list(input_shape)
        del shape[self.axis]
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "axis": self.axis}
