"""Attention between channels instead of places."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras

LEAST_SQUARED_LENGTH = 1e-24


@_keras.serializable
class CrossCovarianceAttention(keras.layers.Layer):
    """Attention whose tokens are channels, as vectors over all places, of length 1 in the product.

    Maps queries, keys and values ``[B, H, W, 3 C]`` to ``[B, H, W, C]``; its cost is linear in the places.

    Parameters
    ----------
    heads : int
        Groups of channels that attend among themselves; a divisor of ``C``.

    References
    ----------
    El-Nouby et al., "XCiT: Cross-Covariance Image Transformers", NeurIPS 2021.
    """

    def __init__(self, heads: int, **layer: Any) -> None:
        super().__init__(**layer)
        self.heads = heads

    def build(self, input_shape: Any) -> None:
        """Make a temperature a head."""
        self.temperature = self.add_weight(name="temperature", shape=(self.heads, 1, 1), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Attend."""
        height, width, triple = inputs.shape[1:]
        x = tf.reshape(inputs, (-1, height * width, 3, self.heads, triple // 3 // self.heads))
        queries, keys, values = tf.unstack(tf.transpose(x, (2, 0, 3, 4, 1)))
        cosines = tf.matmul(_of_length_1(queries), _of_length_1(keys), transpose_b=True)
        attention = tf.nn.softmax(cosines * tf.cast(self.temperature, tf.float32))
        attended = tf.matmul(tf.cast(attention, values.dtype), values)
        return tf.reshape(tf.transpose(attended, (0, 3, 1, 2)), (-1, height, width, triple // 3))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave a third of the channels."""
        return (*tuple(input_shape)[:-1], input_shape[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "heads": self.heads}


def _of_length_1(x: Any) -> Any:
    return tf.math.l2_normalize(tf.cast(x, tf.float32), axis=-1, epsilon=LEAST_SQUARED_LENGTH)
