"""A backbone and the losses that train it, as one Keras model: images in, embeddings out, `fit` as ever.

Labels never enter the model's inputs: a head is called with embeddings and labels where the loss is computed.
So the model predicts embeddings, and its ``backbone`` is what remains after training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._labels import class_numbers
from fr_losses._row_layer import local
from fr_losses.embedding_loss import EmbeddingLoss
from fr_losses.row_optimizer import RowOptimizer


class EpochMean(keras.metrics.Mean):
    """A mean that model files leave out: each epoch starts anew, and Keras 2 cannot load it on replicas."""

    def save_own_variables(self, store: Any) -> None:
        """Write nothing."""

    def load_own_variables(self, store: Any) -> None:
        """Read nothing."""


@_keras.serializable
class TrainingModel(keras.Model):
    """Train ``backbone`` by the losses of ``head``, and by losses of the embeddings.

    Reports ``loss`` (the sum of all, regularisers included), ``accuracy`` (share of samples that are nearest
    to their own class, of those that take part, by cosines without a margin), ``target_cosine`` (mean cosine
    with the own class), and each loss of the embeddings by its name.

    Parameters
    ----------
    backbone : keras.Model
        Images to embeddings ``[B, D]``, of a known ``D``.
    head : FusedMarginSoftmax or PartialFC
        Called with embeddings and labels.
    embedding_losses : sequence of (keras loss, float), optional
        Losses ``(labels, embeddings)`` such as `CenterLoss`, and their weights.
    **model
        As in every Keras model: ``name``, and ``dtype``, the policy by which `compile` scales losses.

    Raises
    ------
    ValueError
        If the backbone's output is not ``[B, D]``, or two losses have one name.
    tf.errors.InvalidArgumentError
        In `fit`, if a loss is not finite: the message says in which step and for which samples.

    Examples
    --------
    >>> from fr_losses import ArcFace, FusedMarginSoftmax
    >>> backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
    >>> model = TrainingModel(backbone, FusedMarginSoftmax(classes=10, margin=ArcFace()))
    >>> model.compile("sgd")
    >>> model.predict(tf.zeros((2, 8)), verbose=0).shape
    (2, 16)
    """

    def __init__(
        self,
        backbone: Any,
        head: Any,
        embedding_losses: Sequence[tuple[Any, float]] = (),
        **model: Any,
    ) -> None:
        super().__init__(**model)
        shape = backbone.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
            raise ValueError(
                f"backbone: expected embeddings [B, D] of a known D as output, got shape {shape}"
            )
        self.backbone = backbone
        self.head = head
        if not head.built:
            head.build(shape)
        self.embedding_losses = [(loss, float(weight)) for loss, weight in embedding_losses]
        for number, (loss, _) in enumerate(self.embedding_losses):
            if hasattr(loss, "state"):  # a checkpoint of Keras 3 follows no lists
                setattr(self, f"loss_state_{number}", loss.state)
        names = ["loss", "accuracy", "target_cosine", *(loss.name for loss, _ in self.embedding_losses)]
        if len(set(names)) < len(names):
            raise ValueError(f"embedding_losses: expected a name of its own for each, got {names[3:]}")
        self._means = [EpochMean(name=name) for name in names]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Embeddings ``[B, D]``."""
        return self.backbone(inputs, training=training)

    def compile(self, optimizer: Any = "sgd", jit_compile: bool = False, **settings: Any) -> None:
        """Configure training; a `RowOptimizer` of the same settings updates rows.

        The head gives loss and metrics. XLA (``jit_compile``) leaves out all checks of labels and losses, and
        cannot update rows.
        """
        for name in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if settings.get(name):
                raise ValueError(
                    f"{name}: the head gives it; further losses are embedding_losses of the model"
                )
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **settings)
        self.row_optimizer: RowOptimizer | None = None
        if self.head.updates_rows:
            self.row_optimizer = RowOptimizer(_keras.inner_optimizer(self.optimizer))
            self.row_optimizer.build(
                (self.head.classes * self.head.sub_centers, self.backbone.output_shape[1])
            )

    def export(self, filepath: str, *arguments: Any, **settings: Any) -> None:
        """Export the backbone, whose outputs are those of `predict`, as `keras.Model.export` does."""
        self.backbone.export(filepath, *arguments, **settings)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the saved model was, so that the optimizer's state is there to be loaded."""
        self.compile(**_keras.deserialize(config))
        if hasattr(self.optimizer, "build"):
            self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> Mapping[str, tf.Tensor]:
        """Take one optimizer step on a batch of ``(images, labels)`` or ``(images, labels, weights)``."""
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        step = tf.convert_to_tensor(self.optimizer.iterations)
        variables = list(self.trainable_variables)
        rows = self.row_optimizer
        matrix = [] if rows is None else [local(self.head.class_weights)]
        with tf.GradientTape() as tape:
            tape.watch(matrix)
            loss = self._loss(inputs, labels, weights, training=True, step=step)
            scaled = _keras.scaled(self.optimizer, loss)
        gradients = tape.gradient(scaled, [*variables, *matrix])
        if rows is not None and self.head.trainable:
            unscaled = _keras.unscaled(self.optimizer, gradients[-1])
            others = [
                tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(gradient)))
                for gradient in gradients[:-1]
                if gradient is not None
            ]
            finite = tf.reduce_all(tf.stack([True, *others]))
            rate = _keras.learning_rate(self.optimizer)
            rows.apply(unscaled, self.head.class_weights, rate, finite, may_overwrite=True)
        _keras.apply_scaled(self.optimizer, gradients[: len(variables)], variables)
        return self._report()

    def test_step(self, data: Any) -> Mapping[str, tf.Tensor]:
        """Compute the losses and metrics of a batch; no state moves."""
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        self._loss(inputs, labels, weights, training=False, step=tf.constant(-1))
        return self._report()

    @property
    def metrics(self) -> list[Any]:
        """The means that `fit` resets each epoch."""
        return list(self._means)

    def _loss(self, inputs: Any, labels: Any, weights: Any, training: bool, step: tf.Tensor) -> tf.Tensor:
        embeddings = tf.cast(self(inputs, training=training), tf.float32)
        losses, sums = self.head.losses_and_sums(embeddings, labels, training)
        parts = [losses]
        for loss, weight in self.embedding_losses:
            of_embeddings = _losses(loss, labels, embeddings, training)
            parts.append(of_embeddings)
            losses += weight * of_embeddings
        if weights is not None:
            losses *= tf.reshape(tf.cast(weights, tf.float32), tf.shape(losses))
        bad = tf.where(~tf.math.is_finite(losses))[:, 0]
        tf.debugging.Assert(
            tf.equal(tf.size(bad), 0),
            ["the loss is not finite in step", step, "for these samples of the batch:", bad],
        )
        regularisers = tf.add_n(self.losses) if self.losses else 0.0
        mean = tf.reduce_mean(losses)
        correct = tf.cast(sums.target > sums.largest, tf.float32)
        for metric, value in zip(
            self.metrics, [losses + regularisers, correct, sums.target, *parts[1:]], strict=True
        ):
            metric.update_state(value)
        return (mean + regularisers) / tf.distribute.get_strategy().num_replicas_in_sync

    def _report(self) -> dict[str, tf.Tensor]:
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal model."""
        return {
            "name": self.name,
            "dtype": self.dtype_policy.name,
            "backbone": _keras.serialize(self.backbone),
            "head": _keras.serialize(self.head),
            "embedding_losses": [[_keras.serialize(loss), weight] for loss, weight in self.embedding_losses],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TrainingModel:
        """Build a model from `get_config`."""
        losses = [(_keras.deserialize(loss), weight) for loss, weight in config["embedding_losses"]]
        return cls(
            _keras.deserialize(config["backbone"]),
            _keras.deserialize(config["head"]),
            losses,
            name=config["name"],
            dtype=config["dtype"],
        )


def _losses(loss: Any, labels: Any, embeddings: tf.Tensor, training: bool) -> tf.Tensor:
    """Losses ``[B]``; outside of training nothing moves."""
    if isinstance(loss, EmbeddingLoss):
        return loss.checked_losses(embeddings, class_numbers(labels, loss.classes, embeddings), training)
    return loss.call(labels, embeddings)
