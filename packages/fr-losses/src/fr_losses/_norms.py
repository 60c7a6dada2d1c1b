"""Lengths of rows, never 0, and rows of length 1, whose derivatives stay finite.

A direction's derivative grows without limit where the row nears 0. Values here are those of the row;
derivatives of rows shorter than ``SHORTEST`` are those of a row of that length and the same direction, so at
most 1000. A row of 0, which has no direction, is moved towards what its loss asks for.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

SMALLEST_SQUARE = 1e-12
SHORTEST = 1e-3


def norms(rows: tf.Tensor) -> tf.Tensor:
    """Euclidean norms over the last axis, at least 1e-6, below which they have no gradient."""
    return tf.sqrt(tf.maximum(tf.reduce_sum(rows * rows, axis=-1), SMALLEST_SQUARE))


@tf.custom_gradient
def unit(rows: tf.Tensor) -> Any:
    """Rows divided by their norms; a row of 0 stays 0."""
    lengths = norms(rows)[..., None]
    units = rows / lengths

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        along = tf.reduce_sum(upstream * units, axis=-1, keepdims=True)
        return (upstream - along * units) / tf.maximum(lengths, SHORTEST)

    return units, gradient
