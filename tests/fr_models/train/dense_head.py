"""ArcFace as its paper has it: a layer of cosines with all classes, and the loss of their matrix."""

from __future__ import annotations

from typing import Any

import fr_losses
import tensorflow as tf
from fr_models.train.heads import Cosines
from tensorflow import keras


class DenseHead(keras.layers.Layer):
    """The logits of a `NormDense` and a margin loss called with them, as a head that stages train.

    The plain form of what the fused head and Partial FC compute otherwise: it holds ``[B, C]``.
    """

    updates_rows = False
    sub_centers = 1

    def __init__(self, classes: int, margin: Any) -> None:
        super().__init__(dtype="float32")
        self.classes = classes
        self.margin = margin
        self.cosines = fr_losses.NormDense(classes)

    def build(self, input_shape: Any) -> None:
        """Create the rows."""
        self.cosines.build(input_shape)
        self.built = True

    @property
    def class_weights(self) -> Any:
        """Rows of the classes."""
        return self.cosines.class_weights

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return self.losses_and_sums(embeddings, labels, True)[0]

    def losses_and_sums(self, embeddings: Any, labels: Any, training: bool) -> tuple[tf.Tensor, Cosines]:
        """Losses ``[B]``, with the cosines of the own and of the nearest other class for metrics."""
        del training
        cosines = self.cosines(embeddings)
        own = tf.one_hot(labels, self.classes)
        target = tf.reduce_sum(own * cosines, axis=1)
        return self.margin.call(labels, cosines), Cosines(target, tf.reduce_max(cosines - 3.0 * own, axis=1))
