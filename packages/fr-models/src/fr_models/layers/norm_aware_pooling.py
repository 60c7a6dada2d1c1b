"""Global pooling that weighs places by the length of their features."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras
from fr_models.layers.feature_norm import length


@_keras.serializable
class NormAwarePooling(keras.layers.Layer):
    """Mean over places of ``x * mean(|x|) / |x|``: features of equal length, whose mean length stays.

    Maps ``[B, H, W, C]`` to ``[B, 1, 1, C]``.

    References
    ----------
    Deng et al., insightface, head GNAP of its MXNet networks.
    """

    def call(self, inputs: Any) -> Any:
        """Return the pooled features."""
        x = tf.cast(inputs, tf.float32)
        lengths = length(x, keepdims=True)
        mean = tf.reduce_mean(lengths, axis=(1, 2, 3), keepdims=True)
        pooled = tf.reduce_mean(tf.math.divide_no_nan(x * mean, lengths), axis=(1, 2), keepdims=True)
        return tf.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave one place."""
        return (input_shape[0], 1, 1, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        """Return the settings of any layer; where this is not written, Keras leaves the name out."""
        return dict(super().get_config())
