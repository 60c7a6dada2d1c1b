"""Heads that fr_losses has not: plain softmax over logits, and none at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from fr_losses import l2_regularizer
from tensorflow import keras

from fr_models._keras import serializable

__all__ = ["Cosines", "NoHead", "SoftmaxHead"]


class Cosines(NamedTuple):
    """What metrics are computed from, each ``float32[B]``."""

    target: tf.Tensor
    """Cosine with the own class."""
    largest: tf.Tensor
    """Cosine with the nearest other class."""


@serializable
class SoftmaxHead(keras.layers.Layer):
    """Cross-entropy of logits ``x . w`` over classes, without bias: what a stage of kind ``softmax`` has.

    Rows of classes are those of `fr_losses.FusedMarginSoftmax`, which can take them over; but neither they
    nor embeddings are normalised here, and the logits ``[B, C]`` are held.

    Parameters
    ----------
    classes : int
        How many.
    label_smoothing : float
        Share of the target's probability that all classes have.
    l2 : float
        MXNet's weight decay of the rows.
    **layer
        As in every Keras layer.
    """

    updates_rows = False
    sub_centers = 1

    def __init__(self, classes: int, label_smoothing: float = 0.0, l2: float = 0.0, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.classes = classes
        self.label_smoothing = label_smoothing
        self.l2 = l2

    def build(self, input_shape: Any) -> None:
        """Create the rows."""
        self.class_weights = self.add_weight(
            name="class_weights",
            shape=(self.classes, int(input_shape[-1])),
            initializer="glorot_uniform",
            regularizer=l2_regularizer(self.l2) if self.l2 else None,
        )
        self.built = True

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return self.losses_and_sums(embeddings, labels, True)[0]

    def losses_and_sums(self, embeddings: Any, labels: Any, training: bool) -> tuple[tf.Tensor, Cosines]:
        """Losses ``[B]``, with the cosines of the own and of the nearest other class for metrics."""
        del training
        embeddings, numbers = tf.cast(embeddings, tf.float32), _numbers(labels, self.classes)
        rows = tf.convert_to_tensor(self.class_weights)
        logits = tf.matmul(embeddings, rows, transpose_b=True)
        targets = tf.one_hot(numbers, self.classes)
        smoothed = targets * (1.0 - self.label_smoothing) + self.label_smoothing / self.classes
        losses = tf.nn.softmax_cross_entropy_with_logits(smoothed, logits)
        lengths = tf.norm(embeddings, axis=1)[:, None] * tf.norm(rows, axis=1)[None, :]
        cosines = tf.stop_gradient(tf.math.divide_no_nan(logits, lengths))
        own = tf.reduce_sum(targets * cosines, axis=1)
        return losses, Cosines(own, tf.reduce_max(cosines - 3.0 * targets, axis=1))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        own = {"classes": self.classes, "label_smoothing": self.label_smoothing, "l2": self.l2}
        return {**super().get_config(), **own}


@serializable
class NoHead(keras.layers.Layer):
    """No classes, and no loss of theirs: embeddings are trained by losses of embeddings alone.

    Metrics compare a sample with its batch: the cosine with the nearest of its class, and with the nearest of
    all others; 0 and -1 where there is none.
    """

    updates_rows = False
    sub_centers = 1
    class_weights = None

    def build(self, input_shape: Any) -> None:
        """Create nothing."""
        del input_shape
        self.built = True

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Losses of 0, ``float32[B]``."""
        return self.losses_and_sums(embeddings, labels, True)[0]

    def losses_and_sums(self, embeddings: Any, labels: Any, training: bool) -> tuple[tf.Tensor, Cosines]:
        """Losses of 0, with the cosines for metrics."""
        del training
        units = tf.stop_gradient(tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1))
        cosines = tf.matmul(units, units, transpose_b=True)
        numbers = _numbers(labels, None)
        same = numbers[:, None] == numbers[None, :]
        others = ~tf.cast(tf.eye(tf.size(numbers)), tf.bool)
        own = tf.reduce_max(tf.where(same & others, cosines, -3.0), axis=1)
        largest = tf.reduce_max(tf.where(same, -1.0, cosines), axis=1)
        zeros = tf.zeros_like(own)
        return zeros, Cosines(tf.where(own < -2.0, zeros, own), largest)


def _numbers(labels: Any, classes: int | None) -> tf.Tensor:
    """Class numbers ``int32[B]``, checked."""
    numbers = tf.cast(tf.reshape(tf.convert_to_tensor(labels), [-1]), tf.int64)
    zero = tf.constant(0, tf.int64)
    checks = [tf.debugging.assert_greater_equal(numbers, zero, "labels: expected class numbers from 0 on")]
    if classes is not None:
        message = f"labels: expected class numbers below {classes}, the class count"
        checks.append(tf.debugging.assert_less(numbers, tf.constant(classes, tf.int64), message))
    with tf.control_dependencies(checks):
        return tf.cast(numbers, tf.int32)
