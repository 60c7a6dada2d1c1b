"""Losses of what a teacher gives of an image, an embedding, where the student's is of another kind or size.

Layers that only make shapes of student and teacher alike belong to the loss, and not to the backbone that is
exported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from fr_losses import DistillationLoss
from numpy.typing import NDArray
from tensorflow import keras

__all__ = ["ClassDistillation", "MappedDistillation"]


class MappedDistillation(DistillationLoss):
    """A distillation loss of embeddings of two sizes, the student's mapped by a matrix that is learned.

    Parameters
    ----------
    loss : DistillationLoss
        Of two embeddings of the teacher's size.
    dim, teacher_dim : int
        Sizes.
    """

    def __init__(self, loss: DistillationLoss, dim: int, teacher_dim: int) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self.state = keras.layers.Dense(teacher_dim, use_bias=False, name="teacher_map", dtype="float32")
        self.state.build((None, dim))

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of embeddings ``[B, T]`` of the teacher and ``[B, D]`` of the student."""
        return self.loss.call(y_true, self.state(tf.cast(y_pred, tf.float32)))


class ClassDistillation(DistillationLoss):
    """A distillation loss of cosines with classes: the teacher's with its centers, the student's with rows.

    Parameters
    ----------
    loss : DistillationLoss
        Of two ``[B, C]``.
    head : FusedMarginSoftmax
        Of the student.
    centers : float32 ``[C, T]``
        Of the teacher.
    """

    def __init__(self, loss: DistillationLoss, head: Any, centers: NDArray[np.float32]) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self._rows = head.class_weights
        self._sub_centers = head.sub_centers
        self._centers = tf.transpose(_unit(np.asarray(centers, np.float32)))

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of embeddings ``[B, T]`` of the teacher and ``[B, D]`` of the student."""
        teacher = _unit(y_true) @ self._centers
        student = _unit(y_pred) @ tf.transpose(_unit(self._rows))
        if self._sub_centers > 1:
            student = tf.reduce_max(
                tf.reshape(student, [-1, self._centers.shape[1], self._sub_centers]), axis=2
            )
        return self.loss.call(teacher, student)


def _unit(rows: Any) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(tf.convert_to_tensor(rows), tf.float32), axis=1)
