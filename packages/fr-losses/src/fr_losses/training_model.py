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
from fr_losses._batch_losses import BatchLosses, assert_finite, losses_of, target_of, unmixed
from fr_losses._row_layer import local
from fr_losses.row_optimizer import RowOptimizer

__all__ = ["BatchLosses", "EpochMean", "TrainingModel"]


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
    with the own class), each loss of the embeddings by its name and, of layers that have regularisers, their
    part as ``regular_loss``.

    Parameters
    ----------
    backbone : keras.Model
        Images to embeddings ``[B, D]``, of a known ``D``.
    head : FusedMarginSoftmax or PartialFC
        Called with embeddings and labels.
    embedding_losses : sequence of (keras loss, float), optional
        Losses ``(labels, embeddings)`` such as `CenterLoss`, and their weights. A `DistillationLoss` is
        called with a teacher's output in place of labels: targets are then a mapping of ``labels`` and
        ``teacher``.
    head_weight : float
        Of the head's losses.
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
        head_weight: float = 1.0,
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
        self.head_weight = float(head_weight)
        self.embedding_losses = [(loss, float(weight)) for loss, weight in embedding_losses]
        for number, (loss, _) in enumerate(self.embedding_losses):
            if hasattr(loss, "state"):  # a checkpoint of Keras 3 follows no lists
                setattr(self, f"loss_state_{number}", loss.state)
        self._is_regularised = bool(self.losses)
        own = [loss.name for loss, _ in self.embedding_losses]
        regular = ["regular_loss"] if self._is_regularised else []
        names = ["loss", "accuracy", "target_cosine", *regular, *own]
        if len(set(names)) < len(names):
            raise ValueError(f"embedding_losses: expected a name of its own for each, got {own}")
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
            inner, head = _keras.inner_optimizer(self.optimizer), self.head
            self.row_optimizer = RowOptimizer(inner, head.l2, head.sub_centers)
            self.row_optimizer.build((head.classes * head.sub_centers, self.backbone.output_shape[1]))

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
        step = tf.convert_to_tensor(self.optimizer.iterations)
        batch, gradients = self.gradients(*keras.utils.unpack_x_y_sample_weight(data))
        assert_finite(batch.losses, step)
        self.record(batch)
        self.apply_gradients(gradients)
        return self._report()

    def test_step(self, data: Any) -> Mapping[str, tf.Tensor]:
        """Compute the losses and metrics of a batch; no state moves."""
        batch = self.batch_losses(*keras.utils.unpack_x_y_sample_weight(data))
        assert_finite(batch.losses, tf.constant(-1))
        self.record(batch)
        return self._report()

    def gradients(
        self, inputs: Any, targets: Any, weights: Any = None, state_moves: bool = True
    ) -> tuple[BatchLosses, list[Any]]:
        """Losses of a batch, and the gradients of their mean.

        Parameters
        ----------
        inputs, targets, weights
            As in `batch_losses`.
        state_moves : bool
            Whether losses with a state let it follow the batch.

        Returns
        -------
        BatchLosses
            Of the batch.
        list of tensors
            In the order of ``trainable_variables``; None for one without influence. That of the rows of a
            `RowOptimizer`, if there is one, comes last. Not scaled, in half precision either.
        """
        matrix = [] if self.row_optimizer is None else [local(self.head.class_weights)]
        with tf.GradientTape() as tape:
            tape.watch(matrix)
            batch = self.batch_losses(inputs, targets, weights, True, state_moves)
            scaled = _keras.scaled(self.optimizer, batch.mean())
        gradients = tape.gradient(scaled, [*self.trainable_variables, *matrix])
        return batch, [_keras.unscaled(self.optimizer, gradient) for gradient in gradients]

    def apply_gradients(self, gradients: list[Any]) -> None:
        """Take one optimizer step.

        Parameters
        ----------
        gradients : list of tensors
            As `gradients` gives them. Rows of a `RowOptimizer` stay as they are if any is not finite, and
            the memory of their gradient may be used up.
        """
        variables = list(self.trainable_variables)
        if self.row_optimizer is not None and self.head.trainable:
            others = [
                tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(gradient)))
                for gradient in gradients[:-1]
                if gradient is not None
            ]
            finite = tf.reduce_all(tf.stack([True, *others]))
            rate = _keras.learning_rate(self.optimizer)
            rows = self.head.class_weights
            self.row_optimizer.apply(gradients[-1], rows, rate, finite, may_overwrite=True)
        _keras.apply_unscaled(self.optimizer, gradients[: len(variables)], variables)

    def batch_losses(
        self, inputs: Any, targets: Any, weights: Any = None, training: bool = False, state_moves: bool = True
    ) -> BatchLosses:
        """Losses of a batch.

        Parameters
        ----------
        inputs : float ``[B, H, W, C]``
            Images.
        targets : integers ``[B]``, or mapping
            Labels; or ``labels`` and what else losses are called with, such as a ``teacher``'s embeddings.
            Labels of mixed images (mixup) are a named tuple of ``first`` and ``second`` labels and the
            ``weight`` of the first: losses are mixed alike, those with a state let it follow the first alone.
        weights : float ``[B]``, optional
            Of the samples.
        training : bool
            Whether the backbone trains.
        state_moves : bool
            Whether, in training, losses with a state let it follow the batch.

        Raises
        ------
        ValueError
            If the targets lack what a loss is called with, or images are mixed for a head whose rows a
            `RowOptimizer` updates.
        """
        targets = targets if isinstance(targets, Mapping) else {"labels": targets}
        moves = training and state_moves
        outputs, more = self.outputs_and_targets(inputs, training)
        embeddings, targets = tf.cast(outputs, tf.float32), {**targets, **more}
        losses, parts, sums = self._weighted_losses(embeddings, *unmixed(targets), moves)
        if weights is not None:
            losses *= tf.reshape(tf.cast(weights, tf.float32), tf.shape(losses))
        regularisers = tf.add_n(self.losses) if self.losses else tf.constant(0.0)
        correct = tf.cast(sums.target > sums.largest, tf.float32)
        regular = [tf.fill(tf.shape(losses), regularisers)] if self._is_regularised else []
        values = [losses + regularisers, correct, sums.target, *regular, *parts]
        return BatchLosses(losses, regularisers, values)

    def _weighted_losses(
        self,
        embeddings: tf.Tensor,
        targets: Mapping[str, Any],
        second: Mapping[str, Any] | None,
        share: Any,
        moves: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor], Any]:
        """Weighted sum of all losses ``[B]``, those of the embeddings one by one, and sums of the head."""
        if second is not None and self.head.updates_rows:
            raise ValueError("targets: mixed labels expect a head all of whose rows Keras trains")
        of_head, sums = self.head.losses_and_sums(embeddings, target_of("labels", targets, self.head), moves)
        parts = [losses_of(loss, targets, embeddings, moves) for loss, _ in self.embedding_losses]
        if second is not None:
            share = tf.cast(share, tf.float32)
            others = self.head.losses_and_sums(embeddings, second["labels"], False)[0]
            of_head = share * of_head + (1.0 - share) * others
            of_second = [losses_of(loss, second, embeddings, False) for loss, _ in self.embedding_losses]
            parts = [share * a + (1.0 - share) * b for a, b in zip(parts, of_second, strict=True)]
        weighted = [weight * part for (_, weight), part in zip(self.embedding_losses, parts, strict=True)]
        return tf.add_n([self.head_weight * of_head, *weighted]), parts, sums

    def outputs_and_targets(self, inputs: Any, training: bool) -> tuple[tf.Tensor, dict[str, Any]]:
        """Embeddings ``[B, D]``, and targets that are computed from the images. A child may have some."""
        return self(inputs, training=training), {}

    def record(self, batch: BatchLosses, counts: Any = True) -> None:
        """Let the metrics follow a batch, unless it does not count."""
        for metric, value in zip(self.metrics, batch.values, strict=True):
            counted = tf.where(counts, value, 0.0)
            metric.update_state(counted, tf.fill(tf.shape(counted), tf.cast(counts, tf.float32)))

    @property
    def metrics(self) -> list[Any]:
        """The means that `fit` resets each epoch."""
        return list(self._means)

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
            "head_weight": self.head_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TrainingModel:
        """Build a model from `get_config`."""
        losses = [(_keras.deserialize(loss), weight) for loss, weight in config["embedding_losses"]]
        return cls(
            _keras.deserialize(config["backbone"]),
            _keras.deserialize(config["head"]),
            losses,
            config.get("head_weight", 1.0),
            name=config["name"],
            dtype=config["dtype"],
        )
