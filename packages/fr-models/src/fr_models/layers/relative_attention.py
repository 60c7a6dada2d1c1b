"""Attention among the places of a map, that knows how far they are from each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_models import _keras
from fr_models.layers.self_attention import SelfAttention


@_keras.serializable
class RelativeAttention(SelfAttention):
    """`SelfAttention` whose logits are ``q k' + q r'``, over ``sqrt(d)``.

    ``r`` is the sum of a learned vector for the distance in rows and one for that in columns, which all heads
    share.

    Parameters
    ----------
    heads : int
        Parts of ``d = C / heads`` channels that attend by themselves.

    References
    ----------
    Srinivas et al., "Bottleneck Transformers for Visual Recognition", CVPR 2021, figure 4.
    """

    def build(self, input_shape: Any) -> None:
        """Make the vectors."""
        _, height, width, channels = input_shape
        depth = channels // 3 // self.heads
        self.rows = self._add_table("rows", 2 * height - 1, depth)
        self.columns = self._add_table("columns", 2 * width - 1, depth)
        super().build(input_shape)

    def _add_table(self, name: str, distances: int, depth: int) -> Any:
        initializer = keras.initializers.RandomNormal(stddev=depth**-0.5)
        return self.add_weight(name=name, shape=(distances, depth), initializer=initializer, trainable=True)

    def position_logits(self, queries: Any, height: int, width: int) -> Any:
        """Return ``q r'``."""
        heads, depth = queries.shape[1], queries.shape[3]
        queries = tf.reshape(queries, (-1, heads, height, width, depth))
        rows = tf.einsum("bnhwd,dhi->bnhwi", queries, _by_distance(self.rows, height))
        columns = tf.einsum("bnhwd,dwj->bnhwj", queries, _by_distance(self.columns, width))
        logits = tf.cast(rows[..., tf.newaxis], tf.float32) + tf.cast(columns[..., tf.newaxis, :], tf.float32)
        return tf.reshape(logits, (-1, heads, height * width, height * width))


def _by_distance(table: Any, size: int) -> Any:
    """Return ``[d, from, to]``: the row of ``table`` for each distance ``to - from``."""
    places = np.arange(size)
    # A gather over the first axis would give the sparse gradient, which optimizers apply in another way.
    return tf.gather(tf.transpose(table), places - places[:, np.newaxis] + size - 1, axis=1)
