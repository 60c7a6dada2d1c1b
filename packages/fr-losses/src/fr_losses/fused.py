"""Margin softmax of embeddings and a class matrix, by chunks of classes: never a matrix of batch and classes.

The dense form holds ``[batch, classes]`` several times over, forward and backward. Here a sample's sums over
the classes (`_class_sums.py`) are all that remains of them, and what a loss needs (`margin_loss.py`).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _backend
from fr_losses._checks import at_least
from fr_losses._class_cosines import Softmax, Unified
from fr_losses._class_sums import own_cosines
from fr_losses._labels import class_numbers
from fr_losses._negatives import PLAIN, Negatives, PlainNegatives, WithoutConflicts
from fr_losses._norms import norms, unit
from fr_losses.margin_loss import MarginLoss, checked_margin


class FusedCosines:
    """Cosines of embeddings with the rows of a class matrix, summed over by chunks.

    Parameters
    ----------
    embeddings : float32 ``[B, D]``
        Rows of any length above 0.
    weights : float ``[C K, D]``
        Rows of classes, sub-centres side by side.
    labels : int32 ``[B]``
        Own classes, checked.
    sub_centers : int
        ``K``: a class's cosine is the largest of its sub-centres'.
    backend : Backend
        Who computes the sums.
    with_largest : bool
        Whether the cosine with the nearest other class is wanted.
    conflict_above : float, optional
        Cosine above which another class counts as one with cosine 0.

    Raises
    ------
    ValueError
        When a loss that changes the cosines of other classes itself meets `conflict_above`.
    """

    def __init__(
        self,
        embeddings: tf.Tensor,
        weights: tf.Tensor,
        labels: tf.Tensor,
        sub_centers: int,
        backend: _backend.Backend,
        with_largest: bool = True,
        conflict_above: float | None = None,
    ) -> None:
        self.classes: int = weights.shape[0] // sub_centers
        self.norms = norms(embeddings)
        self.sums: Softmax | Unified | None = None
        self._unit = unit(embeddings)
        self._weights, self._labels = weights, labels
        self._sub_centers = sub_centers
        self._backend = backend
        self._with_largest = with_largest
        self._conflict_above = conflict_above

    def target(self) -> tf.Tensor:
        """Cosine ``[B]`` of each sample with its own class, without gradient."""
        return own_cosines(self._unit, self._weights, self._labels, self._sub_centers)

    def softmax(self, scale: Any, negatives: Negatives = PLAIN, with_total: bool = False) -> Softmax:
        """Sum for cross-entropy over ``scale * negatives(cosines)``; ``scale`` is a scalar or ``[B]``."""
        scale = tf.cast(scale, self._unit.dtype)
        of_sample = scale.shape.rank == 1
        x = self._unit * scale[:, None] if of_sample else self._unit
        if self._conflict_above is not None:
            self._refuse_conflicts(isinstance(negatives, PlainNegatives))
            thresholds = tf.fill(tf.shape(self.norms), tf.constant(self._conflict_above, x.dtype))
            negatives = WithoutConflicts(thresholds * scale if of_sample else thresholds)
        target, log_sum_exp, total, largest = self._backend.softmax_sums(
            x,
            self._weights,
            self._labels,
            1.0 if of_sample else scale,
            negatives,
            self._sub_centers,
            with_total=with_total,
            with_largest=self._with_largest,
        )
        if of_sample:
            target, largest = target / scale, largest / scale
        self.sums = Softmax(target, log_sum_exp, total, tf.stop_gradient(largest))
        return self.sums

    def unified(self, scale: Any, bias: tf.Tensor) -> Unified:
        """Sum binary cross-entropies of ``scale * cosines - bias``."""
        self._refuse_conflicts(self._conflict_above is None)
        target, softplus, largest = self._backend.unified_sums(
            self._unit, self._weights, self._labels, scale, bias, self._sub_centers
        )
        self.sums = Unified(target, softplus, tf.stop_gradient(largest))
        return self.sums

    def _refuse_conflicts(self, allowed: bool) -> None:
        if not allowed:
            raise ValueError(
                f"conflict_above: expected a loss that leaves the cosines of other classes as they are, "
                f"got {self._conflict_above} with another"
            )


def fused_margin_softmax(
    embeddings: Any,
    class_weights: Any,
    labels: Any,
    margin: MarginLoss,
    sub_centers: int = 1,
    backend: str = "auto",
    products: str = "float32",
    skip_below: float = 0.0,
) -> tf.Tensor:
    """Losses of each sample by any loss of the family, from embeddings and the class matrix.

    Parameters
    ----------
    embeddings : float ``[B, D]``
        Not normalised. Everything is computed in float32, or in float64 if class weights are float64.
    class_weights : float ``[C, D]``, or ``[C K, D]`` with ``K`` sub-centres
        A row a class, not normalised.
    labels : integers ``[B]``
        Own classes.
    margin : MarginLoss
        The loss, for example ``ArcFace()``.
    sub_centers : int
        Rows a class; its cosine is the largest of theirs.
    backend : {"auto", "op", "tensorflow"}
        fr-tf-ops' op or pure TensorFlow; ``auto`` takes the op where there is one and it can run.
    products : {"float32", "bfloat16"}
        What the matrix products' operands are rounded to. Sums stay float32, and so does the target's cosine.
    skip_below : float in [0, 1)
        The op may leave classes whose share of the softmax is below this for all samples out of the gradient:
        at most ``C * skip_below`` of each sample's probability. 1e-9, less than float32 holds beside 1, is
        seen in no loss. Pure TensorFlow leaves nothing out.

    Returns
    -------
    float32 or float64 ``[B]``
        Loss of each sample, differentiable in embeddings and class weights.

    Raises
    ------
    ValueError
        If shapes do not fit.
    tf.errors.InvalidArgumentError
        If a label is not in ``[0, C)``.

    Examples
    --------
    >>> from fr_losses import ArcFace
    >>> import tensorflow as tf
    >>> x, w = tf.constant([[3.0, 0.0]]), tf.constant([[2.0, 0.0], [0.0, 1.0]])
    >>> float(fused_margin_softmax(x, w, [0], ArcFace(scale=8.0))[0])  # doctest: +ELLIPSIS
    0.000...
    """
    cosines = fused_cosines(
        embeddings, class_weights, labels, sub_centers, backend, products, skip_below, with_largest=False
    )
    return checked_margin(margin).losses(cosines, cosines.norms)


def fused_cosines(
    embeddings: Any,
    weights: Any,
    labels: Any,
    sub_centers: int,
    backend: str,
    products: str,
    skip_below: float = 0.0,
    with_largest: bool = True,
    conflict_above: float | None = None,
) -> FusedCosines:
    """Check the arguments of `fused_margin_softmax` and bring them together."""
    at_least("sub_centers", sub_centers, 1)
    weights = tf.convert_to_tensor(weights)
    embeddings = tf.cast(embeddings, tf.float64 if weights.dtype == tf.float64 else tf.float32)
    if embeddings.shape.rank != 2 or weights.shape.rank != 2 or embeddings.shape[1] != weights.shape[1]:
        raise ValueError(
            "embeddings, class_weights: expected [B, D] and [C, D], "
            f"got {embeddings.shape} and {weights.shape}"
        )
    if weights.shape[0] is None or weights.shape[0] % sub_centers:
        raise ValueError(
            f"class_weights: expected a known multiple of {sub_centers} sub-centres as rows, "
            f"got {weights.shape}"
        )
    numbers = class_numbers(labels, weights.shape[0] // sub_centers, embeddings)
    sums = _backend.choose(backend, products, skip_below, embeddings.dtype)
    return FusedCosines(embeddings, weights, numbers, sub_centers, sums, with_largest, conflict_above)
