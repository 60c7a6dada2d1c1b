"""What a margin loss asks of a sample's cosines with all classes, and the answer when they are all in memory.

A loss needs few numbers of a sample: the cosine with its own class, and sums over the other classes. Dense
cosines answer it here; `fused.py` answers it without ever holding them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from fr_losses._negatives import PLAIN, Negatives


class Softmax(NamedTuple):
    """What cross-entropy needs of each sample, all ``float32[B]``."""

    target: tf.Tensor
    """Cosine with the own class."""
    log_sum_exp: tf.Tensor
    """Of the logits of all other classes."""
    total: tf.Tensor
    """Sum of the logits of all other classes; 0 unless it was asked for."""
    largest: tf.Tensor
    """Cosine with the nearest of all other classes, without gradient."""


class Unified(NamedTuple):
    """What a loss with one threshold for all classes needs of each sample, all ``float32[B]``."""

    target: tf.Tensor
    """Cosine with the own class."""
    softplus: tf.Tensor
    """Sum over all other classes of ``log(1 + exp(logit - bias))``."""
    largest: tf.Tensor
    """Cosine with the nearest of all other classes, without gradient."""


class ClassCosines(Protocol):
    """Cosines of ``B`` samples with ``classes`` classes, ``float32``, rounded."""

    classes: int

    def target(self) -> tf.Tensor:
        """Cosine ``[B]`` of each sample with its own class, without gradient."""
        ...

    def softmax(self, scale: Any, negatives: Negatives = ..., with_total: bool = ...) -> Softmax:
        """Sum for cross-entropy over ``scale * negatives(cosines)``; ``scale`` is a scalar or ``[B]``."""
        ...

    def unified(self, scale: Any, bias: tf.Tensor) -> Unified:
        """Sum binary cross-entropies of ``scale * cosines - bias``."""
        ...


class DenseCosines:
    """Cosines that are all there.

    Parameters
    ----------
    cosines : float32 ``[B, C]``
        Of each sample with each class.
    labels : int32 ``[B]``
        Own classes, checked.
    """

    def __init__(self, cosines: tf.Tensor, labels: tf.Tensor) -> None:
        self.classes: int = cosines.shape[1]
        self._cosines = cosines
        self._own = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)

    def target(self) -> tf.Tensor:
        """Cosine ``[B]`` of each sample with its own class, without gradient."""
        return tf.stop_gradient(tf.gather_nd(self._cosines, self._own))

    def softmax(self, scale: Any, negatives: Negatives = PLAIN, with_total: bool = False) -> Softmax:
        """Sum for cross-entropy over ``scale * negatives(cosines)``; ``scale`` is a scalar or ``[B]``."""
        logits = tf.reshape(tf.cast(scale, self._cosines.dtype), [-1, 1]) * negatives(self._cosines)
        log_sum_exp = tf.reduce_logsumexp(self._put(logits, float("-inf")), axis=1)
        total = tf.reduce_sum(self._put(logits, 0.0), axis=1) if with_total else tf.zeros_like(log_sum_exp)
        return Softmax(tf.gather_nd(self._cosines, self._own), log_sum_exp, total, self._largest())

    def unified(self, scale: Any, bias: tf.Tensor) -> Unified:
        """Sum binary cross-entropies of ``scale * cosines - bias``."""
        losses = tf.reduce_sum(self._put(tf.nn.softplus(scale * self._cosines - bias), 0.0), axis=1)
        return Unified(tf.gather_nd(self._cosines, self._own), losses, self._largest())

    def _largest(self) -> tf.Tensor:
        return tf.stop_gradient(tf.reduce_max(self._put(self._cosines, float("-inf")), axis=1))

    def _put(self, matrix: tf.Tensor, value: float) -> tf.Tensor:
        """Put ``value`` in the own class's place of each sample."""
        return tf.tensor_scatter_nd_update(matrix, self._own, tf.fill(tf.shape(self._own)[:1], value))
