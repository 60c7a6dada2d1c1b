"""Nearest-neighbour resizing with PyTorch's choice of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class NearestResize(keras.layers.Layer):
    """Resize maps so that place ``i`` of ``n`` shows place ``floor(i m / n)`` of ``m``, as PyTorch does.

    `keras.layers.Resizing` measures from the middle of pixels, and shows others if ``n`` is no multiple of
    ``m``.

    Parameters
    ----------
    height, width : int
        Of the result.
    """

    def __init__(self, height: int, width: int, **layer: Any) -> None:
        super().__init__(**layer)
        self.height = height
        self.width = width

    def call(self, inputs: Any) -> Any:
        """Return ``[B, height, width, C]``."""
        # In whole numbers: converters to ONNX write TensorFlow's resizing with a float32 factor, and three
        # places times 7 / 3 are then six.
        rows, columns = (
            np.arange(n, dtype=np.int32) * m // n
            for n, m in zip((self.height, self.width), inputs.shape[1:3], strict=True)
        )
        return tf.gather(tf.gather(inputs, rows, axis=1), columns, axis=2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the new height and width in their places."""
        return (input_shape[0], self.height, self.width, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "height": self.height, "width": self.width}
