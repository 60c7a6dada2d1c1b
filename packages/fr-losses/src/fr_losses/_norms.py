"""Lengths of rows, never 0."""

from __future__ import annotations

import tensorflow as tf

SMALLEST_SQUARE = 1e-12


def norms(rows: tf.Tensor) -> tf.Tensor:
    """Euclidean norms over the last axis, at least 1e-6, below which they have no gradient."""
    return tf.sqrt(tf.maximum(tf.reduce_sum(rows * rows, axis=-1), SMALLEST_SQUARE))


def unit(rows: tf.Tensor) -> tf.Tensor:
    """Rows divided by their norms."""
    return rows / norms(rows)[..., None]
