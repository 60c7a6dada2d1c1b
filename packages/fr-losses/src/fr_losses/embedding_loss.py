"""The base of the losses of labelled embeddings: it checks what comes in, a child compares embeddings.

An anchor's positives are the other samples of its class, its negatives the samples of all other classes, in
the batch; on several replicas each has its own part of the batch. An anchor without the pairs that a loss
compares has a loss of 0 and a gradient of 0: a batch without any positive trains nothing and stops nothing.
`BatchAllPairs` alone needs no positives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses._functions import named
from fr_losses._labels import class_numbers
from fr_losses._loss import Loss


class EmbeddingLoss(Loss):
    """A loss of embeddings and of the classes they belong to.

    Called with ``(labels, embeddings)``: labels ``[B]`` or ``[B, 1]`` are class numbers, embeddings
    ``[B, D]`` of any float dtype are computed with in float32.

    Parameters
    ----------
    reduction : str
        As in every Keras loss: ``"sum_over_batch_size"``, ``"sum"`` or ``"none"``.
    name : str, optional
        Name of the loss; by default its class's, as in ``center_loss``.

    Raises
    ------
    ValueError
        If a setting is out of its range, the embeddings' shape is wrong, or there is not one label for each.
    tf.errors.InvalidArgumentError
        When called with labels that are no class numbers.
    """

    classes: int | None = None

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of labels ``[B]`` and embeddings ``[B, D]``."""
        rows = embedding_rows(y_pred)
        return self.checked_losses(rows, class_numbers(y_true, self.classes, rows))

    def checked_losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses, not a number for a sample whose embedding is not finite: comparisons may hide it."""
        finite = tf.reduce_all(tf.math.is_finite(embeddings), axis=1)
        return tf.where(finite, self.losses(embeddings, labels, training), float("nan"))

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``. A child overrides this.

        Parameters
        ----------
        embeddings : float32 ``[B, D]``
            Not normalised.
        labels : int32 ``[B]``
            Own classes, checked.
        training : bool
            Whether the loss's state moves on, if it has one.
        """
        raise NotImplementedError


def plain_function(name: str, loss: type[EmbeddingLoss]) -> Callable[..., tf.Tensor]:
    """Make the function ``(embeddings, labels, **settings) -> [B]`` of a loss class."""

    def function(embeddings: Any, labels: Any, **settings: Any) -> tf.Tensor:
        return loss(**settings).call(labels, embeddings)

    return named(name, loss, function, "embeddings [B, D]", "labels [B]")


def embedding_rows(embeddings: Any) -> tf.Tensor:
    """Embeddings as ``float32[B, D]``."""
    rows = tf.cast(embeddings, tf.float32)
    if rows.shape.rank != 2:
        raise ValueError(f"embeddings: expected shape [B, D], got {rows.shape}")
    return rows
