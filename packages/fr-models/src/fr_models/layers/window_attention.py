"""Attention within the windows of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_models import _keras
from fr_models.layers.self_attention import attend, split_heads

MASKED = -1e9


@_keras.serializable
class WindowAttention(keras.layers.Layer):
    """`SelfAttention` among the places of each window, with a learned bias a head for their distance.

    A window is no larger than the map, and is shifted only where it is smaller. A map that no whole number of
    windows fills is filled up at its end with places that nothing attends to.

    Parameters
    ----------
    heads : int
        Parts of the channels that attend by themselves.
    window : int
        Height and width of a window.
    shifted : bool
        Whether windows begin half a window in; those that go over the edge hold two or four regions, which do
        not attend to each other.

    References
    ----------
    Liu et al., "Swin Transformer", ICCV 2021, section 3.2.
    """

    def __init__(self, heads: int, window: int, shifted: bool = False, **layer: Any) -> None:
        super().__init__(**layer)
        self.heads = heads
        self.window = window
        self.shifted = shifted

    def build(self, input_shape: Any) -> None:
        """Make the biases and the mask."""
        size = np.asarray(input_shape[1:3])
        self._window = np.minimum(size, self.window)
        self._shift = np.where(self.shifted & (self._window < size), self._window // 2, 0)
        self._filled = -(-size // self._window) * self._window
        self.bias = self.add_weight(
            name="bias",
            shape=(int(np.prod(2 * self._window - 1)), self.heads),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            trainable=True,
        )
        self._forbidden = np.where(_separated(size, self._filled, self._window, self._shift), MASKED, 0.0)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the weighed values."""
        height, width, channels = inputs.shape[1:]
        (rows, columns), (down, right) = self._window.tolist(), self._shift.tolist()
        filled_height, filled_width = self._filled.tolist()
        x = tf.pad(inputs, ((0, 0), (0, filled_height - height), (0, filled_width - width), (0, 0)))
        x = _rolled(x, down, right)
        down_windows, right_windows = filled_height // rows, filled_width // columns
        x = tf.reshape(x, (-1, down_windows, rows, right_windows, columns, channels))
        x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, channels))
        x = self._attend(x)
        x = tf.reshape(x, (-1, down_windows, right_windows, rows, columns, channels // 3))
        x = tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, filled_height, filled_width, channels // 3))
        return _rolled(x, -down, -right)[:, :height, :width]

    def _attend(self, x: Any) -> Any:
        """Attend within windows ``[B windows, N, 3 C]``."""
        queries, keys, values = split_heads(x, self.heads, self.compute_dtype)
        bias = tf.gather(tf.transpose(self.bias), _distances(self._window), axis=1)
        added = tf.cast(bias, tf.float32) + tf.constant(self._forbidden[:, np.newaxis], tf.float32)

        def with_positions(logits: Any) -> Any:
            return tf.reshape(tf.reshape(logits, (-1, *added.shape)) + added, (-1, *added.shape[1:]))

        return attend(queries, keys, values, with_positions)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave a third of the channels."""
        return (*tuple(input_shape)[:3], input_shape[3] // 3)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "heads": self.heads, "window": self.window, "shifted": self.shifted}


def _rolled(x: Any, down: int, right: int) -> Any:
    """Bring the first rows and columns to the end, or the last to the start: TensorFlow Lite has no roll."""
    x = tf.concat([x[:, down:], x[:, :down]], axis=1) if down else x
    return tf.concat([x[:, :, right:], x[:, :, :right]], axis=2) if right else x


def _distances(window: Any) -> Any:
    """Index ``[N, N]`` of the distance between places of a window, of rows first, from the lowest on."""
    rows, columns = np.indices(window).reshape(2, -1)
    rows = rows[:, np.newaxis] - rows + window[0] - 1
    columns = columns[:, np.newaxis] - columns + window[1] - 1
    return rows * (2 * window[1] - 1) + columns


def _separated(size: Any, filled: Any, window: Any, shift: Any) -> Any:
    """Whether a place of a window may not attend to another: ``[windows, N, N]``.

    May not: one that was brought over the edge to one that was not, and any to one that fills up.
    """
    places = np.indices(filled) + shift.reshape(2, 1, 1)
    over = places >= filled.reshape(2, 1, 1)
    region = over[0] * 2 + over[1]
    filler = np.any(np.where(over, places - filled.reshape(2, 1, 1), places) >= size.reshape(2, 1, 1), axis=0)
    region, filler = _windows(region, window), _windows(filler, window)
    return (region[:, :, np.newaxis] != region[:, np.newaxis]) | filler[:, np.newaxis]


def _windows(x: Any, window: Any) -> Any:
    """Cut ``[H, W]`` into ``[windows, N]``."""
    rows, columns = window
    x = x.reshape(x.shape[0] // rows, rows, x.shape[1] // columns, columns)
    return x.transpose(0, 2, 1, 3).reshape(-1, rows * columns)
