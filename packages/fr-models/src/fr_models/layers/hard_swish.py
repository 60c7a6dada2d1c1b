"""The piecewise linear swish of mobile networks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class HardSwish(keras.layers.Layer):
    """``x relu6(x + 3) / 6``, which Keras 2 lacks.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def call(self, inputs: Any) -> Any:
        """Return the gated inputs."""
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)
