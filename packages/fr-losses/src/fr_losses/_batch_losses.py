"""What a batch costs, and which targets each loss is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from fr_losses._labels import class_numbers
from fr_losses.embedding_loss import EmbeddingLoss
from fr_losses.mixed_labels import MixedLabels


class BatchLosses(NamedTuple):
    """What a batch costs.

    Attributes
    ----------
    losses : float32 ``[B]``
        Of the samples, all losses added up with their weights.
    regularisers : float32 scalar
        Of the weights.
    values : list of float32 ``[B]``
        What each metric of the model is the mean of.
    """

    losses: tf.Tensor
    regularisers: tf.Tensor
    values: list[tf.Tensor]

    def mean(self) -> tf.Tensor:
        """Loss of the batch, a scalar, which replicas sum up."""
        of_replica = tf.reduce_mean(self.losses) + self.regularisers
        return of_replica / tf.distribute.get_strategy().num_replicas_in_sync


def losses_of(loss: Any, targets: Mapping[str, Any], embeddings: tf.Tensor, training: bool) -> tf.Tensor:
    """Losses ``[B]``; outside of training nothing moves."""
    target = target_of(getattr(loss, "target", "labels"), targets, loss)
    if isinstance(loss, EmbeddingLoss):
        return loss.checked_losses(embeddings, class_numbers(target, loss.classes, embeddings), training)
    return loss.call(target, embeddings)


def unmixed(targets: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any] | None, Any]:
    """Return targets with first labels; of mixed images those with second ones too, and the weight."""
    labels: Any = targets.get("labels")
    if not isinstance(labels, MixedLabels):
        return targets, None, None
    first, second = {**targets, "labels": labels.first}, {**targets, "labels": labels.second}
    return first, second, labels.weight


def target_of(name: str, targets: Mapping[str, Any], loss: Any) -> Any:
    """Return what a loss is called with."""
    if name not in targets:
        raise ValueError(f"targets: {loss.name} is called with {name!r}, got {', '.join(targets)} alone")
    return targets[name]


def assert_finite(losses: tf.Tensor, step: tf.Tensor) -> None:
    """Stop at losses that are not finite, naming step and samples."""
    bad = tf.where(~tf.math.is_finite(losses))[:, 0]
    tf.debugging.Assert(
        tf.equal(tf.size(bad), 0),
        ["the loss is not finite in step", step, "for these samples of the batch:", bad],
    )
