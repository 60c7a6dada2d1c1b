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
        return tf.norm(tf.cast(inputs, tf.float32), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave the last dimension out."""
        return tuple(input_shape)[:-1]

    def get_config(self) -> dict[str, Any]:
        """Return the settings of any layer; where this is not written, Keras leaves the name out."""
        return dict(super().get_config())
