"""Where in the map a feature lies, told by sines and cosines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_models import _keras

TEMPERATURE = 10_000.0


@_keras.serializable
class FourierPosition(keras.layers.Layer):
    """Add a projection of the sines and cosines of row and column to ``[B, H, W, C]``.

    Parameters
    ----------
    frequencies : int
        Sines and cosines of each coordinate together.
    kernel_regularizer, bias_regularizer : keras regularizer, optional
        On the projection and on what it adds.
    **layer
        As in `keras.layers.Layer`.

    References
    ----------
    El-Nouby et al., "XCiT: Cross-Covariance Image Transformers", NeurIPS 2021.
    """

    def __init__(
        self,
        frequencies: int = 32,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **layer: Any,
    ) -> None:
        super().__init__(**layer)
        self.frequencies = frequencies
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)

    def build(self, input_shape: Any) -> None:
        """Make the projection."""
        height, width, channels = tuple(input_shape)[1:]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2 * self.frequencies, channels),
            initializer="glorot_uniform",
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(channels,), initializer="zeros", regularizer=self.bias_regularizer
        )
        self._waves = _waves(height, width, self.frequencies)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the features with their places added."""
        height, width, channels = inputs.shape[1:]
        projected = tf.matmul(self._waves, tf.cast(self.kernel, tf.float32)) + tf.cast(self.bias, tf.float32)
        return inputs + tf.cast(tf.reshape(projected, (1, height, width, channels)), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {
            **super().get_config(),
            "frequencies": self.frequencies,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }


def _waves(height: int, width: int, frequencies: int) -> np.ndarray:
    """Waves ``float32[H W, 2 frequencies]`` of rows, then of columns; the last row and column are at 2 pi."""
    rows, columns = np.meshgrid(np.arange(1, height + 1), np.arange(1, width + 1), indexing="ij")
    periods = TEMPERATURE ** (2 * (np.arange(frequencies) // 2) / frequencies)
    waves = []
    for places in (rows / height, columns / width):
        angles = 2 * math.pi * places.reshape(-1, 1) / periods
        waves.append(np.where(np.arange(frequencies) % 2 == 0, np.sin(angles), np.cos(angles)))
    return np.concatenate(waves, axis=1).astype(np.float32)
