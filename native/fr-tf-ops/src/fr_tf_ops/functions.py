"""The functions of the op: what `fr_tf_ops.load` returns.

For unit or other rows ``x [B, D]`` and class rows ``w [C K, D]``, ``K`` sub-centres a class side by side,
``c_j`` is the largest of ``x . w_jk / max(|w_jk|, 1e-6)`` over ``k``. Sums are over the classes that are not
the sample's own class ``y``; they never hold a matrix of samples and classes, neither forward nor backward.

The own class's cosine ``c_y`` comes from unrounded operands whatever `products` says. Everything is float32,
and the same bytes for every number of threads. The gradient of a class's cosine goes to the first of its
sub-centres that has the largest one. An op runs on CPUs and not under XLA. NaN in gives NaN out.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from fr_tf_ops._library import library

__all__ = ["SoftmaxSums", "UnifiedSums", "isa", "isas", "margin_logits", "softmax_sums", "unified_sums"]

Products = Literal["float32", "bfloat16"]


class SoftmaxSums(NamedTuple):
    """Sums for a softmax of scaled cosines, each ``float32[B]``."""

    target: tf.Tensor
    """``c_y``."""
    log_sum_exp: tf.Tensor
    """``log sum_(j != y) exp(scale f(c_j))``."""
    total: tf.Tensor
    """``sum_(j != y) scale f(c_j)``."""
    largest: tf.Tensor
    """``max_(j != y) c_j``; it has no gradient."""


class UnifiedSums(NamedTuple):
    """Sums for binary cross-entropies of scaled cosines, each ``float32[B]``."""

    target: tf.Tensor
    """``c_y``."""
    softplus: tf.Tensor
    """``sum_(j != y) softplus(scale c_j - bias)``."""
    largest: tf.Tensor
    """``max_(j != y) c_j``; it has no gradient."""


def softmax_sums(
    x: Any,
    weights: Any,
    labels: Any,
    scale: Any,
    *,
    sub_centers: int = 1,
    negatives: Literal["cosine", "hard", "drop", "angle"] = "cosine",
    thresholds: Any = None,
    hardness: Any = None,
    products: Products = "float32",
    skip_below: float = 0.0,
) -> SoftmaxSums:
    """Sum exponentials and logits of the classes that are not the sample's own.

    Parameters
    ----------
    x : float32 ``[B, D]``
        Rows of samples.
    weights : float32, bfloat16 or float16 ``[C K, D]``
        Rows of classes, sub-centres of a class side by side. Their gradient has their type.
    labels : int32 ``[B]``
        Own classes, in ``[0, C)``.
    scale : float32 scalar
        What ``f(c_j)`` is multiplied by; it has no gradient.
    sub_centers : int
        ``K``.
    negatives : {"cosine", "hard", "drop", "angle"}
        ``f``: the cosine itself; ``c (hardness + c)`` where ``c > thresholds`` (CurricularFace); 0 where
        ``c > thresholds`` (Partial FC's filter of conflicting classes); or
        ``1 - 2 arccos(c) / pi`` (AirFace), whose slope near 1 and -1 is held at that of ``1 - 2**-20``.
    thresholds : float32 ``[B]``
        For ``"hard"`` and ``"drop"``; they have no gradient.
    hardness : float32 scalar
        For ``"hard"``; it has no gradient.
    products : {"float32", "bfloat16"}
        What operands of matrix products are rounded to; sums stay float32.
    skip_below : float
        Backward, a class whose ``exp(scale f(c_j) - log_sum_exp)`` is below this for every sample, and that
        is nobody's own, gets no gradient and gives none: at most ``C * skip_below`` of each sample's
        probability is left out. Nothing is where ``total`` has a gradient.

    Returns
    -------
    SoftmaxSums
        Differentiable in ``x`` and ``weights``.

    Raises
    ------
    ValueError
        If ``"hard"`` or ``"drop"`` lacks its settings, or `skip_below` is no share.
    tf.errors.InvalidArgumentError
        If shapes do not fit or a label is no class.
    """
    if negatives == "drop" and thresholds is None:
        raise ValueError("negatives: expected thresholds with 'drop', got none")
    if negatives == "hard" and (thresholds is None or hardness is None):
        raise ValueError("negatives: expected thresholds and hardness with 'hard', got none")
    if not 0.0 <= skip_below < 1.0:
        raise ValueError(f"skip_below: expected a share in [0, 1), got {skip_below}")
    sums = _op(
        "fr_softmax_sums",
        x=x,
        weights=weights,
        labels=labels,
        scale=scale,
        thresholds=tf.zeros([0]) if thresholds is None else thresholds,
        hardness=0.0 if hardness is None else hardness,
        sub_centers=sub_centers,
        negatives=negatives,
        products=products,
        skip_below=skip_below,
    )
    return SoftmaxSums(sums.target, sums.log_sum_exp, sums.total, sums.largest)


def unified_sums(
    x: Any,
    weights: Any,
    labels: Any,
    scale: Any,
    bias: Any,
    *,
    sub_centers: int = 1,
    products: Products = "float32",
) -> UnifiedSums:
    """Sum ``softplus(scale c_j - bias)`` over the classes that are not the sample's own (UniFace).

    Parameters are those of `softmax_sums`; ``bias`` is a scalar and has a gradient.

    Returns
    -------
    UnifiedSums
        Differentiable in ``x``, ``weights`` and ``bias``.

    Raises
    ------
    tf.errors.InvalidArgumentError
        If shapes do not fit or a label is no class.
    """
    sums = _op(
        "fr_unified_sums",
        x=x,
        weights=weights,
        labels=labels,
        scale=scale,
        bias=bias,
        sub_centers=sub_centers,
        products=products,
    )
    return UnifiedSums(sums.target, sums.softplus, sums.largest)


def margin_logits(cosines: Any, target_logits: Any, labels: Any, scale: Any) -> tf.Tensor:
    """Scale the cosines of a dense head, but for the own class, whose logit is given.

    Parameters
    ----------
    cosines : float32 ``[B, C]``
        Cosines with all classes.
    target_logits : float32 ``[B]``
        What takes the place of the own class's.
    labels : int32 ``[B]``
        Own classes, in ``[0, C)``.
    scale : float32 scalar
        What cosines are multiplied by; it has no gradient.

    Returns
    -------
    float32 ``[B, C]``
        Logits, differentiable in cosines and target logits.

    Raises
    ------
    tf.errors.InvalidArgumentError
        If shapes do not fit or a label is no class.
    """
    return _op("fr_margin_logits", cosines=cosines, target_logits=target_logits, labels=labels, scale=scale)


def isas() -> tuple[str, ...]:
    """Return the instruction sets that this CPU runs, slowest first."""
    return library().isas


def isa() -> str:
    """Return the instruction set in use: the last of `isas`, or what ``FR_TF_OPS_ISA`` names."""
    return os.environ.get("FR_TF_OPS_ISA") or isas()[-1]


def _op(name: str, **inputs: Any) -> Any:
    """Call an op; in a graph, clusters that XLA makes of itself leave it out."""
    outside = nullcontext() if tf.executing_eagerly() else tf.xla.experimental.jit_scope(compile_ops=False)
    with outside:
        return getattr(library().ops, name)(**inputs)


@tf.RegisterGradient("FrSoftmaxSums")
def _softmax_sums_gradient(op: Any, g_target: Any, g_log_sum_exp: Any, g_total: Any, *_: Any) -> list[Any]:
    x, weights, labels, scale, thresholds, hardness = op.inputs
    gradients = _op(
        "fr_softmax_sums_grad",
        x=x,
        weights=weights,
        labels=labels,
        scale=scale,
        thresholds=thresholds,
        hardness=hardness,
        log_sum_exp=op.outputs[1],
        g_target=g_target,
        g_log_sum_exp=g_log_sum_exp,
        g_total=g_total,
        **{name: op.get_attr(name) for name in ("sub_centers", "negatives", "products", "skip_below")},
    )
    return [gradients.g_x, gradients.g_weights, None, None, None, None]


@tf.RegisterGradient("FrUnifiedSums")
def _unified_sums_gradient(op: Any, g_target: Any, g_softplus: Any, *_: Any) -> list[Any]:
    x, weights, labels, scale, bias = op.inputs
    gradients = _op(
        "fr_unified_sums_grad",
        x=x,
        weights=weights,
        labels=labels,
        scale=scale,
        bias=bias,
        g_target=g_target,
        g_softplus=g_softplus,
        **{name: op.get_attr(name) for name in ("sub_centers", "products")},
    )
    sigmoid = op.outputs[3]
    return [gradients.g_x, gradients.g_weights, None, None, -tf.reduce_sum(g_softplus * sigmoid)]


@tf.RegisterGradient("FrMarginLogits")
def _margin_logits_gradient(op: Any, g_logits: Any) -> list[Any]:
    _, target_logits, labels, scale = op.inputs
    g_cosines = margin_logits(g_logits, tf.zeros_like(target_logits), labels, scale)
    return [g_cosines, tf.gather(g_logits, labels, batch_dims=1), None, None]
