"""Four neighbours in one place."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class PatchMerging(keras.layers.Layer):
    """Lays the channels of 2 x 2 places behind each other, columns first, and leaves half of the map's sides.

    A map of an odd side gets zeros at its end.

    References
    ----------
    Liu et al., "Swin Transformer", ICCV 2021, section 3.1.
    """

    def call(self, inputs: Any) -> Any:
        """Return ``[B, H / 2, W / 2, 4 C]``."""
        height, width = inputs.shape[1:3]
        x = tf.pad(inputs, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
        return tf.concat([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Halve the sides, up."""
        batch, height, width, channels = input_shape
        return (batch, -(-height // 2), -(-width // 2), 4 * channels)
