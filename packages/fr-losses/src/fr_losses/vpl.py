"""Variational prototypes: a class is its row and, for a while, the last embedding that was seen of it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._checks import at_least, share
from fr_losses._norms import unit
from fr_losses._row_layer import replicas

NEVER = keras.initializers.Constant(-(2**30))


@_keras.serializable
class VariationalPrototypes(keras.layers.Layer):
    """Mix ``weight`` of a class's last embedding into its row, for classes seen lately.

    A part of a head: `FusedMarginSoftmax(prototypes=...)`. Rows and embeddings are mixed as unit vectors; the
    embedding in memory gets no gradient.

    Parameters
    ----------
    weight : float in [0, 1)
        The share of the embedding.
    start : int
        Steps before which nothing is mixed.
    max_age : int
        Steps after which an embedding counts no more.
    **layer
        As in every Keras layer.

    References
    ----------
    Deng et al., Variational Prototype Learning for Deep Face Recognition, 2021.
    """

    def __init__(self, weight: float = 0.15, start: int = 8000, max_age: int = 200, **layer: Any) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.weight = share("weight", weight)
        self.start = at_least("start", start, 0)
        self.max_age = at_least("max_age", max_age, 0)

    def build(self, input_shape: Any) -> None:
        """Create the memory for a class matrix of ``input_shape [C, D]``."""
        if replicas() > 1:
            raise ValueError(
                f"prototypes: expected one replica, each would remember its own, got {replicas()}"
            )
        classes = int(input_shape[0])
        self.memory = self.add_weight(name="memory", shape=input_shape, initializer="zeros", trainable=False)
        self.seen = self.add_weight(
            name="seen", shape=(classes,), dtype="int64", initializer=NEVER, trainable=False
        )
        self.steps = _keras.add_counter(self, "steps")
        self.built = True

    def call(self, rows: Any, classes: Any) -> tf.Tensor:
        """Rows ``[S, D]`` of ``classes [S]``, mixed where there is something to mix."""
        steps = tf.convert_to_tensor(self.steps)
        age = steps - tf.gather(_keras.variable(self.seen), classes)
        fresh = (age <= self.max_age) & (steps >= self.start)
        rows = unit(tf.cast(rows, tf.float32))
        mixed = (1.0 - self.weight) * rows + self.weight * tf.gather(_keras.variable(self.memory), classes)
        return tf.where(fresh[:, None], mixed, rows)

    def remember(self, embeddings: Any, classes: Any) -> None:
        """Store the unit embeddings ``[B, D]`` of ``classes [B]``, if finite, and go on to the next step."""
        units = unit(tf.cast(tf.stop_gradient(embeddings), tf.float32))
        finite = tf.reduce_all(tf.math.is_finite(units), axis=1)
        units, classes = tf.boolean_mask(units, finite), tf.boolean_mask(classes, finite)
        steps = tf.convert_to_tensor(self.steps)
        _keras.variable(self.memory).scatter_update(tf.IndexedSlices(units, classes))
        now = tf.fill(tf.shape(classes), steps)
        _keras.variable(self.seen).scatter_update(tf.IndexedSlices(now, classes))
        self.steps.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        return {**super().get_config(), "weight": self.weight, "start": self.start, "max_age": self.max_age}
