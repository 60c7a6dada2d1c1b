"""Attention of every place of a map to every other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class SelfAttention(keras.layers.Layer):
    """``softmax(q k' / sqrt(d)) v`` among the places of a map.

    Maps ``[B, H, W, 3 C]``, whose channels are the queries of all heads, then the keys, then the values,
    to ``[B, H, W, C]``. The softmax is computed in float32.

    Parameters
    ----------
    heads : int
        Parts of ``d = C / heads`` channels that attend by themselves.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2.
    """

    def __init__(self, heads: int, **layer: Any) -> None:
        super().__init__(**layer)
        self.heads = heads

    def call(self, inputs: Any) -> Any:
        """Return the weighed values."""
        height, width, channels = inputs.shape[1:]
        queries, keys, values = split_heads(
            tf.reshape(inputs, (-1, height * width, channels)), self.heads, self.compute_dtype
        )
        attended = attend(queries, keys, values, lambda x: x + self.position_logits(queries, height, width))
        return tf.reshape(attended, (-1, height, width, channels // 3))

    def position_logits(self, queries: Any, height: int, width: int) -> Any:
        """Return what places add to the logits, which here is nothing."""
        del queries, height, width
        return 0.0

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Leave a third of the channels."""
        return (*tuple(input_shape)[:3], input_shape[3] // 3)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "heads": self.heads}


def split_heads(packed: Any, heads: int, dtype: Any) -> tuple[Any, Any, Any]:
    """Split ``[B, N, 3 C]`` into queries over ``sqrt(d)``, keys and values, each ``[B, heads, N, d]``."""
    places, channels = packed.shape[1:]
    depth = channels // 3 // heads
    split = tf.transpose(tf.reshape(packed, (-1, places, 3, heads, depth)), (2, 0, 3, 1, 4))
    return split[0] * tf.cast(depth**-0.5, dtype), split[1], split[2]


def attend(queries: Any, keys: Any, values: Any, with_positions: Callable[[Any], Any]) -> Any:
    """Weigh values ``[B, heads, N, d]`` by their keys, and return ``[B, N, heads d]``.

    Parameters
    ----------
    queries, keys, values : tensor
        As of `split_heads`.
    with_positions : callable
        Adds what places do to logits, float32 ``[B, heads, N, N]``.
    """
    logits = with_positions(tf.cast(tf.matmul(queries, keys, transpose_b=True), tf.float32))
    weighed = tf.matmul(tf.cast(tf.nn.softmax(logits), values.dtype), values)
    heads, places, depth = weighed.shape[1:]
    return tf.reshape(tf.transpose(weighed, (0, 2, 1, 3)), (-1, places, heads * depth))
