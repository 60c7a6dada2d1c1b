"""Pairs of a batch's samples, as matrices ``[B, B]`` of a row an anchor."""

from __future__ import annotations

import math

import tensorflow as tf

from fr_losses._norms import SMALLEST_SQUARE, norms, unit

NO_NORM = 1.001 * math.sqrt(SMALLEST_SQUARE)


def directions(embeddings: tf.Tensor) -> tf.Tensor:
    """Rows of norm 1; embeddings of 0 stay 0 and get no gradient, which half precision could not hold."""
    return tf.where(norms(embeddings)[:, None] <= NO_NORM, 0.0, unit(embeddings))


def cosines(embeddings: tf.Tensor) -> tf.Tensor:
    """Cosines ``[B, B]`` of each embedding with each."""
    rows = directions(embeddings)
    return tf.matmul(rows, rows, transpose_b=True)


def pairs(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Positives and negatives, ``bool[B, B]``; no sample is its own positive."""
    same = labels[:, None] == labels[None, :]
    return same & ~tf.eye(tf.size(labels), dtype=tf.bool), ~same


def count(chosen: tf.Tensor) -> tf.Tensor:
    """How many are chosen in each row of ``bool[B, B]``, ``float32[B]``."""
    return tf.reduce_sum(tf.cast(chosen, tf.float32), axis=1)
