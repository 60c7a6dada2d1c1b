"""The length of feature vectors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class FeatureNorm(keras.layers.Layer):
    """Euclidean norms ``float32[B]`` of vectors ``[B, D]``: of face embeddings, a measure of quality."""

    def __init__(self, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})

    def call(self, inputs: Any) -> Any:
        """Return the norms."""
        return length(tf.cast(inputs, tf.float32))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave the last dimension out."""
        return tuple(input_shape)[:-1]

    def get_config(self) -> dict[str, Any]:
        """Return the settings of any layer; where this is not written, Keras leaves the name out."""
        return dict(super().get_config())


def length(x: Any, keepdims: bool = False) -> Any:
    """Return lengths along the last axis, with gradient 0 at zeros, where that of the root alone is NaN."""
    squares = tf.reduce_sum(tf.square(x), axis=-1, keepdims=keepdims)
    is_zero = squares == 0
    return tf.where(is_zero, 0.0, tf.sqrt(tf.where(is_zero, 1.0, squares)))
