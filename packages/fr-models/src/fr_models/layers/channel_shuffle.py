"""Channels in another order."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class ChannelShuffle(keras.layers.Layer):
    """Put channels ``0, g, 2g, ...`` first, then ``1, g + 1, ...``: every group of the result sees all parts.

    Parameters
    ----------
    groups : int
        ``g``, a divisor of the channels.

    References
    ----------
    Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
    CVPR 2018.
    """

    def __init__(self, groups: int, **layer: Any) -> None:
        super().__init__(**layer)
        self.groups = groups

    def call(self, inputs: Any) -> Any:
        """Return the channels of each group together."""
        height, width, channels = inputs.shape[1:]
        x = tf.reshape(inputs, (-1, height, width, channels // self.groups, self.groups))
        return tf.reshape(tf.transpose(x, (0, 1, 2, 4, 3)), (-1, height, width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the layer again."""
        return {**super().get_config(), "groups": self.groups}
