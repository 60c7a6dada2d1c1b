"""Sums over classes, chunk by chunk, forward and backward: never a matrix of samples and classes.

The law of this file. For unit rows ``x [B, D]`` (or rows of any length) and class rows ``w [C K, D]``, ``K``
sub-centres a class, let ``c_j`` be the largest of ``x . w_jk / |w_jk|`` over ``k``. Per sample,
`softmax_sums` gives ``c_y``, ``log sum_(j != y) exp(scale f(c_j))`` and ``sum_(j != y) scale f(c_j)``;
`unified_sums` gives ``c_y`` and ``sum_(j != y) softplus(scale c_j - bias)``; both give the largest ``c_j``,
``j != y``. Backward, each chunk's cosines are computed again, and the chunk's gradient is written once: no
gradient of ``[C K, D]`` is added to another.

Everything is float32 inside; `products` may round the operands of the matrix products to bfloat16, but never
those of ``c_y``. fr-tf-ops has the same functions as an op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._negatives import Negatives
from fr_losses._norms import norms

CHUNK_ELEMENTS = 2**20


def softmax_sums(
    x: tf.Tensor,
    weights: tf.Tensor,
    labels: tf.Tensor,
    scale: Any,
    negatives: Negatives,
    sub_centers: int,
    products: str,
    with_total: bool = True,
    with_largest: bool = True,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Target cosines, log-sum-exps, sums of the other classes' logits, largest others, each ``float32[B]``.

    Parameters
    ----------
    x : float32 ``[B, D]``
        Rows of samples.
    weights : float ``[C K, D]``
        Rows of classes, of any length above 0, sub-centres of a class side by side.
    labels : int32 ``[B]``
        Own classes; -1 where it is none of these, and the target is 0.
    scale : float or scalar tensor
        What cosines are multiplied by; it gets no gradient.
    negatives : Negatives
        What becomes of the cosines of other classes; it gets no gradient.
    sub_centers : int
        ``K``.
    products : {"float32", "bfloat16"}
        What the operands of matrix products are rounded to.
    with_total, with_largest : bool
        Whether sums, and largest others, are wanted: without, they stay 0 and minus infinity.
    """
    scale = tf.stop_gradient(tf.convert_to_tensor(scale, tf.float32))

    @tf.custom_gradient
    def sums(x: tf.Tensor, weights: tf.Tensor) -> Any:
        chunks = _Chunks(x, weights, labels, sub_centers, products)

        def gather(carry: Any, cosines: tf.Tensor, own: tf.Tensor) -> Any:
            log_sum, total, largest = carry
            logits = scale * negatives(cosines)
            others = tf.reduce_logsumexp(tf.where(own, float("-inf"), logits), axis=1)
            if with_total:
                total += tf.reduce_sum(tf.where(own, 0.0, logits), axis=1)
            if with_largest:
                largest = _largest(largest, cosines, own)
            return _log_add_exp(log_sum, others), total, largest

        zeros = tf.zeros(tf.shape(x)[:1])
        least = zeros + float("-inf")
        log_sum, total, largest = chunks.fold(gather, (least, zeros, least))
        target = own_cosines(x, weights, labels, sub_centers)

        def gradient(g_target: tf.Tensor, g_log_sum: tf.Tensor, g_total: tf.Tensor, _: tf.Tensor) -> Any:
            def of_cosines(cosines: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    tape.watch(cosines)
                    logits = scale * negatives(cosines)
                shares = tf.exp(logits - log_sum[:, None])
                g_logits = g_log_sum[:, None] * shares
                if with_total:
                    g_logits += g_total[:, None]
                g_others = tape.gradient(logits, cosines, output_gradients=g_logits)
                return tf.where(own, g_target[:, None], g_others)

            return chunks.gradients(of_cosines)

        return (target, log_sum, total, largest), gradient

    return sums(x, weights)


def unified_sums(
    x: tf.Tensor,
    weights: tf.Tensor,
    labels: tf.Tensor,
    scale: float,
    bias: tf.Tensor,
    sub_centers: int,
    products: str,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Target cosines, sums of ``softplus(scale c - bias)`` over others, largest others, each ``float32[B]``.

    Parameters are those of `softmax_sums`; ``bias`` is a scalar and gets a gradient.
    """

    @tf.custom_gradient
    def sums(x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> Any:
        chunks = _Chunks(x, weights, labels, sub_centers, products)

        def gather(carry: Any, cosines: tf.Tensor, own: tf.Tensor) -> Any:
            softplus, sigmoid, largest = carry
            logits = scale * cosines - bias
            return (
                softplus + tf.reduce_sum(tf.where(own, 0.0, tf.nn.softplus(logits)), axis=1),
                sigmoid + tf.reduce_sum(tf.where(own, 0.0, tf.sigmoid(logits)), axis=1),
                _largest(largest, cosines, own),
            )

        zeros = tf.zeros(tf.shape(x)[:1])
        softplus, sigmoid, largest = chunks.fold(gather, (zeros, zeros, zeros + float("-inf")))
        target = own_cosines(x, weights, labels, sub_centers)

        def gradient(g_target: tf.Tensor, g_softplus: tf.Tensor, _: tf.Tensor) -> Any:
            def of_cosines(cosines: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
                slope = scale * tf.sigmoid(scale * cosines - bias)
                return tf.where(own, g_target[:, None], g_softplus[:, None] * slope)

            return *chunks.gradients(of_cosines), -tf.reduce_sum(g_softplus * sigmoid)

        return (target, softplus, largest), gradient

    return sums(x, weights, bias)


def own_cosines(x: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor, sub_centers: int) -> tf.Tensor:
    """``c_y [B]``, without gradient; 0 where a label is -1."""
    parts = tf.maximum(labels, 0)[:, None] * sub_centers + tf.range(sub_centers)
    rows = tf.cast(tf.gather(weights, parts), tf.float32)
    dots = tf.reduce_sum(x[:, None] * rows, axis=2)
    cosines = tf.reduce_max(dots / norms(rows), axis=1)
    return tf.stop_gradient(tf.where(labels < 0, 0.0, cosines))


class _Chunks:
    """The classes, cut in chunks of equal size and a smaller last one."""

    def __init__(
        self, x: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor, sub_centers: int, products: str
    ) -> None:
        self._round = _to_bfloat16 if products == "bfloat16" else tf.identity
        self._x, self._weights, self._labels = self._round(x), weights, labels
        self._sub_centers = sub_centers
        self._classes: int = weights.shape[0] // sub_centers
        batch = x.shape[0] or 256
        self._size = max(1, min(self._classes, CHUNK_ELEMENTS // (batch * sub_centers)))
        self._full = self._classes // self._size
        self._last = self._classes - self._full * self._size

    def fold(self, step: Callable[..., Any], carry: Any) -> Any:
        """Return what ``step(carry, cosines [B, n], own [B, n])`` makes of all chunks."""

        def body(chunk: tf.Tensor, *carry: tf.Tensor) -> Any:
            return chunk + 1, *self._visit(chunk, self._size, lambda c, own, *_: step(carry, c, own))

        carry = tf.while_loop(
            lambda chunk, *_: chunk < self._full, body, (tf.constant(0), *carry), parallel_iterations=1
        )[1:]
        if self._last:
            carry = self._visit(self._full, self._last, lambda c, own, *_: step(carry, c, own))
        return carry

    def gradients(
        self, of_cosines: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients of ``x`` and of the weights from ``of_cosines(cosines [B, n], own [B, n]) -> [B, n]``."""

        def of_chunk(start: Any, size: int) -> tuple[tf.Tensor, tf.Tensor]:
            def of_rows(
                cosines: tf.Tensor, own: tf.Tensor, parts: tf.Tensor, rows: tf.Tensor, inverse: tf.Tensor
            ) -> Any:
                g_parts = self._to_parts(of_cosines(cosines, own), cosines, parts)
                along = tf.square(inverse) * tf.reduce_sum(
                    g_parts * parts, axis=0
                )  # a length has no gradient
                g_dots = self._round(g_parts * inverse)
                g_rows = tf.matmul(g_dots, self._x, transpose_a=True) - along[:, None] * rows
                return tf.matmul(g_dots, self._round(rows)), g_rows

            return self._visit(start, size, of_rows)

        def body(chunk: tf.Tensor, g_x: tf.Tensor, g_weights: Any) -> Any:
            more, g_rows = of_chunk(chunk, self._size)
            return chunk + 1, g_x + more, store.put(g_weights, chunk, g_rows)

        rows = self._size * self._sub_centers
        store = (_Stacked if _keras.within_xla() else _InPlace)(self._full, rows, self._weights)
        start = (tf.constant(0), tf.zeros_like(self._x), store.empty())
        _, g_x, g_weights = tf.while_loop(
            lambda chunk, *_: chunk < self._full, body, start, parallel_iterations=1
        )
        if self._last:
            more, g_rows = of_chunk(self._full, self._last)
            return g_x + more, store.whole(g_weights, g_rows)
        return g_x, store.whole(g_weights, None)

    def _visit(self, chunk: Any, size: int, use: Callable[..., Any]) -> Any:
        """Call ``use(cosines [B, n], own [B, n], parts [B, n K], rows [n K, D], 1 / norms [n K])``."""
        first = chunk * self._size
        begin = tf.stack([first * self._sub_centers, 0])
        rows = tf.cast(
            tf.slice(self._weights, begin, [size * self._sub_centers, self._weights.shape[1]]), tf.float32
        )
        inverse = 1.0 / norms(rows)
        parts = tf.matmul(self._x, self._round(rows), transpose_b=True) * inverse
        cosines = parts
        if self._sub_centers > 1:
            cosines = tf.reduce_max(tf.reshape(parts, [-1, size, self._sub_centers]), axis=2)
        own = tf.equal(self._labels[:, None] - first, tf.range(size)[None])
        return use(cosines, own, parts, rows, inverse)

    def _to_parts(self, g_cosines: tf.Tensor, cosines: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
        """Give a class's gradient to its sub-centre with the largest cosine, in equal parts to several."""
        if self._sub_centers == 1:
            return g_cosines
        by_class = tf.reshape(parts, [-1, cosines.shape[1], self._sub_centers])
        largest = tf.cast(tf.equal(by_class, cosines[:, :, None]), tf.float32)
        shares = largest / tf.reduce_sum(largest, axis=2, keepdims=True)
        return tf.reshape(shares * g_cosines[:, :, None], tf.shape(parts))


class _InPlace:
    """The gradient of the weights, each chunk written once where it belongs: no copy of it is ever made."""

    def __init__(self, chunks: int, rows: int, weights: tf.Tensor) -> None:
        self._chunks, self._rows, self._weights = chunks, rows, weights

    def empty(self) -> tf.Tensor:
        """Memory of one row a chunk, and one more for the last, smaller chunk."""
        size = self._rows * self._weights.shape[1]
        return tf.raw_ops.Empty(shape=[self._chunks + 1, size], dtype=self._weights.dtype, init=False)

    def put(self, gradient: tf.Tensor, chunk: Any, rows: tf.Tensor) -> tf.Tensor:
        """Write a chunk's rows."""
        flat = tf.reshape(tf.cast(rows, gradient.dtype), [1, -1])
        return tf.raw_ops.InplaceUpdate(x=gradient, i=tf.reshape(chunk, [1]), v=flat)

    def whole(self, gradient: tf.Tensor, last: tf.Tensor | None) -> tf.Tensor:
        """Write the last chunk's rows and return all."""
        if last is not None:
            padded = tf.pad(last, [[0, self._rows - last.shape[0]], [0, 0]])
            gradient = self.put(gradient, tf.constant(self._chunks), padded)
        return tf.reshape(gradient, [-1, self._weights.shape[1]])[: self._weights.shape[0]]


class _Stacked:
    """The same for XLA, which has no writing in place but copies less by itself."""

    def __init__(self, chunks: int, rows: int, weights: tf.Tensor) -> None:
        self._chunks, self._rows, self._weights = chunks, rows, weights

    def empty(self) -> tf.TensorArray:
        """Room for the rows of each chunk."""
        shape = (self._rows, self._weights.shape[1])
        return tf.TensorArray(self._weights.dtype, size=self._chunks, element_shape=shape)

    def put(self, gradient: tf.TensorArray, chunk: Any, rows: tf.Tensor) -> tf.TensorArray:
        """Store a chunk's rows."""
        return gradient.write(chunk, tf.cast(rows, self._weights.dtype))

    def whole(self, gradient: tf.TensorArray, last: tf.Tensor | None) -> tf.Tensor:
        """Join all rows."""
        rows = gradient.concat()
        if last is not None:
            rows = tf.concat([rows, tf.cast(last, rows.dtype)], axis=0)
        return tf.ensure_shape(rows, self._weights.shape)


def _log_add_exp(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """``log(exp(a) + exp(b))``, minus infinity where both are."""
    larger = tf.maximum(a, b)
    anchor = tf.where(tf.math.is_finite(larger), larger, 0.0)
    return anchor + tf.math.log(tf.exp(a - anchor) + tf.exp(b - anchor))


def _largest(before: tf.Tensor, cosines: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    return tf.maximum(before, tf.reduce_max(tf.where(own, float("-inf"), cosines), axis=1))


def _to_bfloat16(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
