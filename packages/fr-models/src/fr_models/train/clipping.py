"""The norm of a batch's gradients, over all replicas, and the limits of their size."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from fr_losses import TrainingModel

from fr_models.train._gradients import each, sum_of_replicas, values_of

__all__ = ["Clipping"]


class Clipping:
    """Limits gradients, to be called in replicas.

    Parameters
    ----------
    model : TrainingModel
        Whose gradients they are: of its trainable variables, then of rows of a RowOptimizer, if it has one.
    norm : float, optional
        Largest Euclidean norm of all of them together.
    value : float, optional
        Largest absolute value of a number, before ``norm``.
    reduces : bool
        Whether replicas need the gradient of all, rather than each its own that the optimizer adds up.
    """

    def __init__(self, model: TrainingModel, norm: float | None, value: float | None, reduces: bool) -> None:
        self._model = model
        self._limit, self._value = norm, value
        self._reduces = reduces

    def __call__(self, gradients: list[Any], clips: bool) -> tuple[list[Any], tf.Tensor]:
        """Return gradients within the limits, and their norm before: of all replicas, if these reduce."""
        count = len(self._model.trainable_variables)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        summed = self._reduces and replicas > 1
        if summed:
            gradients = [*_added_up(gradients[:count]), *gradients[count:]]
        norm = _norm(gradients, count)
        value, limit = self._value, self._limit
        if clips and value:
            gradients = each(gradients, lambda g: tf.clip_by_value(g, -value, value))
        if clips and limit:
            factor = limit / tf.maximum(_norm(gradients, count) if value else norm, limit)
            gradients = each(gradients, lambda g: g * factor)
        if summed:  # the optimizer adds up what replicas have
            gradients = [*each(gradients[:count], lambda g: g / replicas), *gradients[count:]]
        return gradients, norm


def _added_up(gradients: list[Any]) -> list[Any]:
    """Return the sums of all replicas' gradients."""
    known = [number for number, gradient in enumerate(gradients) if gradient is not None]
    sums = sum_of_replicas([tf.convert_to_tensor(gradients[number]) for number in known])
    by_number = dict(zip(known, sums, strict=True))
    return [by_number.get(number) for number in range(len(gradients))]


def _norm(gradients: list[Any], count: int) -> tf.Tensor:
    """Euclidean norm of all gradients; of rows, those after the first ``count``, each replica has its own."""
    squares = [tf.nn.l2_loss(values_of(gradient)) for gradient in gradients if gradient is not None]
    rows = [tf.nn.l2_loss(values_of(gradient)) for gradient in gradients[count:]]
    others = squares[: len(squares) - len(rows)]
    return tf.sqrt(2.0 * tf.add_n([tf.constant(0.0), *others, *sum_of_replicas(rows)]))
