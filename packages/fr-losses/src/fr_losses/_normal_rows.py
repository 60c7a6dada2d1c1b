"""The first values of a class matrix."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses.row_optimizer import ROWS_AT_ONCE

INITIAL_STDDEV = 0.01


def normal_rows(shape: tuple[int, int], dtype: Any = None) -> tf.Tensor:
    """Draw the first class matrix ``[R, D]``, some rows at a time: Keras would hold it thrice."""
    matrix = tf.raw_ops.Empty(shape=shape, dtype=tf.as_dtype(dtype or "float32"))
    for first in range(0, shape[0], ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, shape[0])
        draw = keras.initializers.RandomNormal(stddev=INITIAL_STDDEV)
        rows = tf.cast(draw((last - first, shape[1])), matrix.dtype)
        matrix = tf.raw_ops.InplaceUpdate(x=matrix, i=tf.range(first, last), v=rows)
    return matrix
