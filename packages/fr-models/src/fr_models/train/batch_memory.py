"""What a model learns of a batch before its loss is known, to be taken back if the batch does not count.

Statistics of batch normalisation and states of losses follow a batch while its losses are computed. Those
that are small are kept whole. What has a row for each class, such as the centers of a loss, is not: a batch
changes the rows of its own classes, which are all that is kept, so that no step copies the matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from fr_losses import MixedLabels
from tensorflow import keras

from fr_models._keras import own_state, own_weights, tensor_variable

__all__ = ["BatchMemory", "Kept"]


class Kept(NamedTuple):
    """Values before a batch, of each replica."""

    whole: list[tf.Tensor]
    """Of the variables that are kept whole."""
    classes: tf.Tensor
    """Whose rows are kept, ``int64``; none if nothing has rows by class."""
    rows: list[tf.Tensor]
    """Of what has a row for each class."""


class BatchMemory:
    """The variables of a model that follow batches, other than by an optimizer.

    Called outside of replicas. Random states, from which layers such as dropout draw, are none of them: they
    go on.

    Parameters
    ----------
    model : TrainingModel
        Compiled; layers of its backbone that do not train follow nothing.
    """

    def __init__(self, model: Any) -> None:
        self._strategy = tf.distribute.get_strategy()
        losses = [(loss, loss.state) for loss, _ in model.embedding_losses if hasattr(loss, "state")]
        self._whole: list[Any] = list(own_state(model.backbone))
        self._by_class: list[Any] = []
        for owner, layer in ((model.head, model.head), *losses):
            classes = getattr(owner, "classes", None)
            for state in _states(layer):
                has_rows = classes is not None and state.shape.rank and state.shape[0] == classes
                (self._by_class if has_rows else self._whole).append(state)

    def kept(self, batch: Any) -> Kept:
        """Read what a batch may change.

        Parameters
        ----------
        batch : tuple
            ``(images, targets)`` or ``(images, targets, weights)``, or their values on replicas.
        """
        return Kept(*self._strategy.run(self._of_replica, args=(batch,)))

    def put_back(self, kept: Kept) -> tf.Tensor:
        """Undo what came after; each replica has its own values back, bit for bit."""
        update = self._strategy.extended.update
        for variable, value in zip(self._whole, kept.whole, strict=True):
            update(variable, lambda held, before: held.assign(before), args=(value,))
        for matrix, rows in zip(self._by_class, kept.rows, strict=True):
            update(matrix, _put_rows, args=(kept.classes, rows))
        return tf.constant(True)

    def _of_replica(self, batch: Any) -> Kept:
        whole = [tf.identity(variable) for variable in self._whole]
        if not self._by_class:
            return Kept(whole, tf.zeros([0], tf.int64), [])
        classes = self._classes(batch)
        return Kept(whole, classes, [tf.gather(matrix, classes) for matrix in self._by_class])

    def _classes(self, batch: Any) -> tf.Tensor:
        """Class numbers that states follow: of all replicas, and of mixed images the first ones."""
        targets = keras.utils.unpack_x_y_sample_weight(batch)[1]
        labels = targets["labels"] if isinstance(targets, Mapping) else targets
        labels = labels.first if isinstance(labels, MixedLabels) else labels
        labels = tf.reshape(tf.cast(labels, tf.int64), [-1])
        if self._strategy.num_replicas_in_sync > 1:
            labels = tf.distribute.get_replica_context().all_gather(labels, axis=0)
        last = min(matrix.shape[0] for matrix in self._by_class) - 1
        return tf.clip_by_value(labels, 0, last)  # others are an error, which the loss says


def _states(layer: Any) -> list[Any]:
    """Return variables of a head or of a loss's state that no optimizer changes."""
    rows = getattr(layer, "class_weights", None)
    others = {id(rows), *map(id, getattr(layer, "shards", ()))}
    return [
        tensor_variable(weight)
        for part in layer._flatten_layers()
        for weight in own_weights(part)
        if not weight.trainable and id(weight) not in others
    ]


def _put_rows(matrix: tf.Variable, classes: tf.Tensor, rows: tf.Tensor) -> Any:
    return matrix.scatter_update(tf.IndexedSlices(rows, classes))
