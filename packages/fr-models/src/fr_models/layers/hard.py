"""Piecewise linear stand-ins for sigmoid and swish.

Keras 2 has a hard sigmoid of another slope, and no hard swish.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class HardSigmoid(keras.layers.Layer):
    """``min(max(x + 3, 0), 6) / 6``.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def call(self, inputs: Any) -> Any:
        """Return values in [0, 1]."""
        return tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return input_shape


@_keras.serializable
class HardSwish(keras.layers.Layer):
    """``x min(max(x + 3, 0), 6) / 6``.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def call(self, inputs: Any) -> Any:
        """Return the weighed inputs."""
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return input_shape
