"""Sums over classes, chunk by chunk, forward and backward: never a matrix of samples and classes.

The law of this file. For unit rows ``x [B, D]`` (or rows of any length) and class rows ``w [C K, D]``, ``K``
sub-centres a class, let ``c_j`` be the largest of ``x . w_jk / |w_jk|`` over ``k``. Per sample,
`softmax_sums` gives ``c_y``, ``log sum_(j != y) exp(scale f(c_j))`` and ``sum_(j != y) scale f(c_j)``;
`unified_sums` gives ``c_y`` and ``sum_(j != y) softplus(scale c_j - bias)``; both give the largest ``c_j``,
``j != y``. `_chunks.py` says what is held of the classes at a time.

Everything has the type of ``x`` inside, float32 or float64; `products` may round the operands of the matrix
products to bfloat16, but never those of ``c_y``. fr-tf-ops has the same functions as an op.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses._chunks import Chunk, Chunks
from fr_losses._negatives import PLAIN, Negatives
from fr_losses._norms import norms

LARGEST_EXPONENT = 87.0


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
    """Target cosines, log-sum-exps, sums of the other classes' logits, largest others, each ``[B]``.

    Parameters
    ----------
    x : float32 or float64 ``[B, D]``
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
    scale = tf.stop_gradient(tf.cast(scale, x.dtype))
    factor, logits_of = _split(scale, negatives)

    @tf.custom_gradient
    def sums(x: tf.Tensor, weights: tf.Tensor) -> Any:
        chunks = Chunks(x, weights, labels, sub_centers, products, factor)
        reach = scale * tf.reduce_max(norms(x)) * negatives.reach
        # Whether exponentials of all logits and their sum are normal float32 numbers.
        fits = reach < LARGEST_EXPONENT - math.log(chunks.classes)

        def gather(carry: Any, chunk: Chunk) -> Any:
            log_sum, total, largest = carry
            logits = logits_of(chunk.cosines)
            if with_total:
                total += tf.reduce_sum(chunk.with_own(logits, 0.0), axis=1)
            if with_largest:
                largest = tf.maximum(
                    largest, tf.reduce_max(chunk.with_own(chunk.cosines, float("-inf")), axis=1)
                )
            others = chunk.with_own(logits, float("-inf"))
            log_others = tf.cond(
                fits,
                lambda: tf.math.log(tf.reduce_sum(tf.exp(others), axis=1)),
                lambda: tf.reduce_logsumexp(others, axis=1),
            )
            return _log_add_exp(log_sum, log_others), total, largest

        zeros = tf.zeros(tf.shape(x)[:1], x.dtype)
        least = zeros + float("-inf")
        log_sum, total, largest = chunks.fold(gather, (least, zeros, least))
        target = own_cosines(x, weights, labels, sub_centers)

        def gradient(g_target: tf.Tensor, g_log_sum: tf.Tensor, g_total: tf.Tensor, _: tf.Tensor) -> Any:
            def of_cosines(chunk: Chunk) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    tape.watch(chunk.cosines)
                    logits = logits_of(chunk.cosines)
                shares = tf.exp(logits - log_sum[:, None])
                g_logits = g_log_sum[:, None] * shares
                if with_total:
                    g_logits += g_total[:, None]
                g_others = tape.gradient(logits, chunk.cosines, output_gradients=g_logits)
                return chunk.with_own(g_others, g_target / factor)

            return chunks.gradients(of_cosines)

        return (target, log_sum, total, largest / factor), gradient

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
    """Target cosines, sums of ``softplus(scale c - bias)`` over others, largest others, each ``[B]``.

    Parameters are those of `softmax_sums`; ``bias`` is a scalar and gets a gradient.
    """

    @tf.custom_gradient
    def sums(x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> Any:
        chunks = Chunks(x, weights, labels, sub_centers, products)

        def gather(carry: Any, chunk: Chunk) -> Any:
            softplus, sigmoid, largest = carry
            others = chunk.with_own(chunk.cosines, float("-inf"))
            logits = scale * others - bias
            return (
                softplus + tf.reduce_sum(tf.nn.softplus(logits), axis=1),
                sigmoid + tf.reduce_sum(tf.sigmoid(logits), axis=1),
                tf.maximum(largest, tf.reduce_max(others, axis=1)),
            )

        zeros = tf.zeros(tf.shape(x)[:1], x.dtype)
        softplus, sigmoid, largest = chunks.fold(gather, (zeros, zeros, zeros + float("-inf")))
        target = own_cosines(x, weights, labels, sub_centers)

        def gradient(g_target: tf.Tensor, g_softplus: tf.Tensor, _: tf.Tensor) -> Any:
            def of_cosines(chunk: Chunk) -> tf.Tensor:
                slope = scale * tf.sigmoid(scale * chunk.cosines - bias)
                return chunk.with_own(g_softplus[:, None] * slope, g_target)

            return *chunks.gradients(of_cosines), -tf.reduce_sum(g_softplus * sigmoid)

        return (target, softplus, largest), gradient

    return sums(x, weights, bias)


def own_cosines(x: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor, sub_centers: int) -> tf.Tensor:
    """``c_y [B]``, without gradient; 0 where a label is -1."""
    parts = tf.maximum(labels, 0)[:, None] * sub_centers + tf.range(sub_centers)
    rows = tf.cast(tf.gather(weights, parts), x.dtype)
    dots = tf.reduce_sum(x[:, None] * rows, axis=2)
    cosines = tf.reduce_max(dots / norms(rows), axis=1)
    return tf.stop_gradient(tf.where(labels < 0, tf.zeros_like(cosines), cosines))


def _split(scale: tf.Tensor, negatives: Negatives) -> tuple[Any, Callable[[tf.Tensor], tf.Tensor]]:
    """Return a factor of the cosines and a function of the product that gives the logits."""
    if negatives is PLAIN:
        return scale, tf.identity
    return tf.constant(1.0, scale.dtype), lambda cosines: scale * negatives(cosines)


def _log_add_exp(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """``log(exp(a) + exp(b))``, minus infinity where both are."""
    larger = tf.maximum(a, b)
    anchor = tf.where(tf.math.is_finite(larger), larger, 0.0)
    return anchor + tf.math.log(tf.exp(a - anchor) + tf.exp(b - anchor))
