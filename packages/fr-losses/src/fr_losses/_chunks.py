"""The rows of classes, chunk by chunk: cosines forward, gradients backward.

A chunk's cosines are computed when they are needed, forward and again backward, but those of the first chunks
are kept in between, as many as `KEPT_ELEMENTS` allow. Backward, the gradient of each chunk's rows is written
once: no gradient of ``[C K, D]`` is added to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._norms import norms
from fr_losses._slots import slots_of

CHUNK_ELEMENTS = 2**20
KEPT_ELEMENTS = 2**27
KEPT_SHARE = 0.9


class Chunk:
    """Samples and some classes.

    Attributes
    ----------
    cosines : float32 ``[B, n]``
        Of samples with classes, times a factor.
    parts : float32 ``[B, n K]``
        Of samples with each sub-centre of the classes.
    lengths : float32 ``[n K]``
        Norms of their rows.
    """

    def __init__(
        self,
        chunks: Chunks,
        first: Any,
        size: int,
        parts: tf.Tensor | None = None,
        lengths: tf.Tensor | None = None,
    ) -> None:
        self._chunks, self._size = chunks, size
        sub_centers = chunks.sub_centers
        begin = tf.stack([first * sub_centers, 0])
        rows = tf.slice(chunks.weights, begin, [size * sub_centers, chunks.weights.shape[1]])
        self._rows = tf.cast(rows, chunks.x.dtype)
        self.lengths = norms(self._rows) if lengths is None else lengths
        self._inverse = 1.0 / self.lengths
        self._factors = chunks.factor * self._inverse
        if parts is None:
            parts = tf.matmul(chunks.x, chunks.rounded(self._rows), transpose_b=True) * self._factors
        self.parts = self.cosines = parts
        if sub_centers > 1:
            self.cosines = tf.reduce_max(tf.reshape(parts, [-1, size, sub_centers]), axis=2)
        self._columns = chunks.labels - first
        self._inside = (self._columns >= 0) & (self._columns < size)

    def with_own(self, matrix: tf.Tensor, values: Any) -> tf.Tensor:
        """Return ``matrix [B, n]`` with a value, or that of each sample, where samples meet own classes."""
        values = tf.broadcast_to(tf.cast(values, matrix.dtype), tf.shape(self._columns))
        if _keras.within_xla():  # which needs known shapes, and selects for nothing
            own = self._columns[:, None] == tf.range(self._size)
            return tf.where(own, values[:, None], matrix)
        samples = tf.where(self._inside)
        places = tf.concat([samples, tf.cast(tf.gather(self._columns, samples), tf.int64)], axis=1)
        return tf.tensor_scatter_nd_update(matrix, places, tf.gather(values, samples[:, 0]))

    def gradients(self, g_cosines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients of samples ``[B, D]`` and rows ``[n K, D]`` from that of the cosines."""
        g_parts = self._to_parts(g_cosines)
        along = tf.square(self._inverse) * tf.reduce_sum(g_parts * self.parts, axis=0)
        g_dots = self._chunks.rounded(g_parts * self._factors)
        g_rows = tf.matmul(g_dots, self._chunks.x, transpose_a=True) - along[:, None] * self._rows
        return tf.matmul(g_dots, self._chunks.rounded(self._rows)), g_rows

    def _to_parts(self, g_cosines: tf.Tensor) -> tf.Tensor:
        """Give a class's gradient to its sub-centre with the largest cosine, in equal parts to several."""
        sub_centers = self._chunks.sub_centers
        if sub_centers == 1:
            return g_cosines
        by_class = tf.reshape(self.parts, [-1, self._size, sub_centers])
        largest = tf.cast(tf.equal(by_class, self.cosines[:, :, None]), by_class.dtype)
        shares = largest / tf.reduce_sum(largest, axis=2, keepdims=True)
        return tf.reshape(shares * g_cosines[:, :, None], tf.shape(self.parts))


class Chunks:
    """All classes, in chunks of equal size and a smaller last one.

    Parameters
    ----------
    x : float32 or float64 ``[B, D]``
        Rows of samples, whose type everything is computed in.
    weights : float ``[C K, D]``
        Rows of classes, of any length above 0, sub-centres of a class side by side.
    labels : int32 ``[B]``
        Own classes; -1 where it is none of these.
    sub_centers : int
        ``K``.
    products : {"float32", "bfloat16"}
        What the operands of matrix products are rounded to.
    factor : float or scalar tensor
        What cosines are multiplied by.
    """

    def __init__(
        self,
        x: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        sub_centers: int,
        products: str,
        factor: Any = 1.0,
    ) -> None:
        self.rounded = _to_bfloat16 if products == "bfloat16" else tf.identity
        self.x, self.weights, self.labels = self.rounded(x), weights, labels
        self.sub_centers, self.factor = sub_centers, factor
        self.classes: int = weights.shape[0] // sub_centers
        batch = x.shape[0] or 256
        self._size = max(1, min(self.classes, CHUNK_ELEMENTS // (batch * sub_centers)))
        self._full = self.classes // self._size
        self._last = self.classes - self._full * self._size
        most = KEPT_ELEMENTS // (batch * self._size * sub_centers)
        self._kept = min(most, int(KEPT_SHARE * self._full))
        self._parts = slots_of(self._kept, tf.size(labels) * self._size * sub_centers, x.dtype)
        self._lengths = slots_of(self._full, self._size * sub_centers, x.dtype)

    def fold(self, step: Callable[[Any, Chunk], Any], carry: Any) -> Any:
        """Return what ``step(carry, chunk)`` makes of all chunks."""

        def pass_by(number: tf.Tensor, lengths: Any, *carry: tf.Tensor) -> Any:
            chunk = self._chunk(number)
            return number + 1, self._lengths.put(lengths, number, chunk.lengths), *step(carry, chunk)

        def keep(number: tf.Tensor, kept: Any, lengths: Any, *carry: tf.Tensor) -> Any:
            chunk = self._chunk(number)
            lengths = self._lengths.put(lengths, number, chunk.lengths)
            return number + 1, self._parts.put(kept, number, chunk.parts), lengths, *step(carry, chunk)

        carry = (tf.constant(0), self._parts.empty(), self._lengths.empty(), *carry)
        number, self._kept_parts, *carry = _loop(self._kept, keep, carry)
        _, self._kept_lengths, *carry = _loop(self._full, pass_by, (number, *carry))
        return step(carry, Chunk(self, self._full * self._size, self._last)) if self._last else carry

    def gradients(self, of_cosines: Callable[[Chunk], tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients of ``x`` and of the weights from ``of_cosines(chunk) -> [B, n]``, after `fold`."""
        rows = self._size * self.sub_centers
        written = slots_of(self._full + bool(self._last), rows * self.weights.shape[1], self.weights.dtype)

        def add(chunk: Chunk, number: Any, g_x: tf.Tensor, g_weights: Any) -> Any:
            more, g_rows = chunk.gradients(of_cosines(chunk))
            g_rows = tf.pad(g_rows, [[0, rows - g_rows.shape[0]], [0, 0]])
            return number + 1, g_x + more, written.put(g_weights, number, g_rows)

        def recall(number: tf.Tensor, *carry: Any) -> Any:
            parts = tf.reshape(self._parts.get(self._kept_parts, number), [-1, rows])
            return add(self._chunk(number, parts, lengths_of(number)), number, *carry)

        def repeat(number: tf.Tensor, *carry: Any) -> Any:
            return add(self._chunk(number, None, lengths_of(number)), number, *carry)

        def lengths_of(number: tf.Tensor) -> tf.Tensor:
            return self._lengths.get(self._kept_lengths, number)

        carry = _loop(self._kept, recall, (tf.constant(0), tf.zeros_like(self.x), written.empty()))
        carry = _loop(self._full, repeat, carry)
        if self._last:
            carry = add(Chunk(self, self._full * self._size, self._last), self._full, *carry[1:])
        _, g_x, g_weights = carry
        g_rows = tf.reshape(written.joined(g_weights), [-1, self.weights.shape[1]])
        return g_x, tf.ensure_shape(g_rows[: self.weights.shape[0]], self.weights.shape)

    def _chunk(
        self, number: tf.Tensor, parts: tf.Tensor | None = None, lengths: tf.Tensor | None = None
    ) -> Chunk:
        return Chunk(self, number * self._size, self._size, parts, lengths)


def _loop(end: int, body: Callable[..., Any], carry: Any) -> Any:
    """Go on with ``carry``, which begins with a number, until that is ``end``."""
    if end == 0:
        return carry  # XLA compiles a body that never runs, and refuses one that reads an empty list
    return tf.while_loop(lambda number, *_: number < end, body, carry, parallel_iterations=1)


def _to_bfloat16(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(x, tf.bfloat16), x.dtype)
