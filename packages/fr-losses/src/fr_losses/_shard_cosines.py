"""Cosines of a replica's samples with all classes, of which each replica holds a block.

Every replica sums over its own classes for the samples of all replicas, and then all add up: what crosses
between replicas are embeddings and few numbers a sample.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses._class_cosines import Softmax, Unified
from fr_losses._negatives import PLAIN, HardNegatives, Negatives
from fr_losses.fused import FusedCosines


class ShardCosines:
    """Sums over all replicas' classes for this replica's samples.

    Parameters
    ----------
    cosines : FusedCosines
        Of all replicas' samples with this replica's classes; the label of a sample whose class is another
        replica's is -1.
    classes : int
        That take part, of all replicas together.
    sizes : int32 ``[replicas]``
        Samples of each replica.
    """

    def __init__(self, cosines: FusedCosines, classes: int, sizes: tf.Tensor) -> None:
        self.classes = classes
        self.sums: Softmax | Unified | None = None
        self._cosines = cosines
        self._context = tf.distribute.get_replica_context()
        replica = self._context.replica_id_in_sync_group
        self._first, self._count = tf.reduce_sum(sizes[:replica]), sizes[replica]
        self.norms = self._mine(cosines.norms)

    def target(self) -> tf.Tensor:
        """Cosine ``[B]`` of each sample with its own class, without gradient."""
        return self._mine(tf.stop_gradient(tf.reduce_sum(self._of_all(self._cosines.target()), axis=0)))

    def softmax(self, scale: Any, negatives: Negatives = PLAIN, with_total: bool = False) -> Softmax:
        """Sum for cross-entropy over ``scale * negatives(cosines)``; ``scale`` is a scalar or ``[B]``."""
        scale = tf.convert_to_tensor(scale, tf.float32)
        if scale.shape.rank == 1:
            scale = self._context.all_gather(scale, axis=0)
        if isinstance(negatives, HardNegatives):
            thresholds = self._context.all_gather(negatives.thresholds, axis=0)
            negatives = negatives._replace(thresholds=thresholds)
        sums = self._cosines.softmax(scale, negatives, with_total)
        self.sums = Softmax(
            self._mine(tf.reduce_sum(self._of_all(sums.target), axis=0)),
            self._mine(tf.reduce_logsumexp(self._of_all(sums.log_sum_exp), axis=0)),
            self._mine(tf.reduce_sum(self._of_all(sums.total), axis=0)),
            self._largest(sums.largest),
        )
        return self.sums

    def unified(self, scale: Any, bias: tf.Tensor) -> Unified:
        """Sum binary cross-entropies of ``scale * cosines - bias``."""
        sums = self._cosines.unified(scale, bias)
        self.sums = Unified(
            self._mine(tf.reduce_sum(self._of_all(sums.target), axis=0)),
            self._mine(tf.reduce_sum(self._of_all(sums.softplus), axis=0)),
            self._largest(sums.largest),
        )
        return self.sums

    def _largest(self, largest: tf.Tensor) -> tf.Tensor:
        return self._mine(tf.stop_gradient(tf.reduce_max(self._of_all(largest), axis=0)))

    def _of_all(self, values: tf.Tensor) -> tf.Tensor:
        """Gather what every replica has found: ``[replicas, samples of all]``."""
        return self._context.all_gather(values[None], axis=0)

    def _mine(self, of_all: tf.Tensor) -> tf.Tensor:
        """Keep the samples of this replica."""
        return of_all[self._first : self._first + self._count]
