"""Heads: layers that own the class matrix and give the losses of embeddings, by all or some classes."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _backend, _keras
from fr_losses._checks import at_least, checked_sub_centers, non_negative, portion
from fr_losses._class_cosines import Softmax, Unified
from fr_losses._labels import class_numbers
from fr_losses._normal_rows import normal_rows
from fr_losses._row_layer import RowLayer, SharedRows, local, replicas, rows_of_replica
from fr_losses._shard_cosines import ShardCosines
from fr_losses.arcface import ArcFace
from fr_losses.fused import FusedCosines, fused_cosines
from fr_losses.margin_loss import MarginLoss, checked_margin
from fr_losses.vpl import VariationalPrototypes
from fr_losses.weight_decay import l2_regularizer

MOST_TRAINABLE_ROWS = 65_536


@_keras.serializable
class FusedMarginSoftmax(RowLayer):
    """A head over all classes, which never holds a matrix of batch and classes.

    Called with ``(embeddings [B, D], labels [B])`` it returns the losses ``float32[B]``.

    Parameters
    ----------
    classes : int
        How many.
    margin : MarginLoss, optional
        The loss; by default ``ArcFace()``.
    sub_centers : int
        Rows a class; its cosine is the largest of theirs.
    prototypes : VariationalPrototypes, optional
        Mixes the last embeddings of each class into its row.
    conflict_above : float, optional
        Cosine above which another class counts as one with cosine 0: under it two names of one person push
        each other apart no more. For losses that leave the cosines of other classes as they are.
    l2 : float
        MXNet's weight decay of the rows: `l2_regularizer`, or the same in their `RowOptimizer`.
    backend, products, skip_below
        As in `fused_margin_softmax`.
    **layer
        As in every Keras layer. The dtype is float32 under every policy unless it is given here.

    Attributes
    ----------
    class_weights : variable ``[classes * sub_centers, D]``
        A row a class, sub-centres side by side. With more than 65,536 rows, on one replica, it is not among
        the trainable weights of Keras: `TrainingModel` has a `RowOptimizer` update it without large
        temporaries.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    tf.errors.InvalidArgumentError
        When called with labels outside ``[0, classes)``.
    """

    def __init__(
        self,
        classes: int,
        margin: MarginLoss | None = None,
        sub_centers: int = 1,
        prototypes: VariationalPrototypes | None = None,
        backend: str = "auto",
        products: str = "float32",
        skip_below: float = 0.0,
        conflict_above: float | None = None,
        l2: float = 0.0,
        **layer: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **layer})
        self.classes = at_least("classes", classes, 2)
        self.margin = checked_margin(ArcFace() if margin is None else margin)
        self.margin_state = self.margin.state
        self.sub_centers = checked_sub_centers(sub_centers, self.classes)
        if prototypes is not None and self.sub_centers > 1:
            raise ValueError(f"prototypes: expected one row a class, got sub_centers={sub_centers}")
        self.prototypes = prototypes
        self.backend = backend
        self.products = products
        self.skip_below = skip_below
        self.conflict_above = conflict_above
        self.l2 = non_negative("l2", l2)
        self.supports_jit = _backend.choose(backend, products, skip_below).supports_xla
        if conflict_above is not None and not -1.0 < conflict_above < 1.0:
            raise ValueError(f"conflict_above: expected a cosine in (-1, 1), got {conflict_above}")

    def build(self, input_shape: Any) -> None:
        """Create the class matrix for embeddings of ``input_shape [B, D]``."""
        shape = (self.classes * self.sub_centers, int(input_shape[-1]))
        self._updates_rows = self.updates_rows
        self._add_class_weights(shape, normal_rows)
        if self.prototypes is not None and not self.prototypes.built:
            self.prototypes.build((self.classes, int(input_shape[-1])))
        self.built = True

    @property
    def updates_rows(self) -> bool:
        """Whether a `RowOptimizer` updates the rows; of a layer that is not built, in the present scope."""
        return self._updates_rows if self.built else self._is_for_row_optimizer()

    def _is_for_row_optimizer(self) -> bool:
        return self.classes * self.sub_centers > MOST_TRAINABLE_ROWS and replicas() == 1

    def _add_class_weights(self, shape: tuple[int, int], initializer: Any) -> None:
        weights = self.add_weight(
            name="class_weights",
            shape=shape,
            initializer=initializer,
            regularizer=l2_regularizer(self.l2) if self.l2 and not self.updates_rows else None,
            trainable=not self.updates_rows,
        )
        self.own("class_weights", weights)

    def call(self, embeddings: Any, labels: Any, training: bool | None = None) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return self.losses_and_sums(embeddings, labels, bool(training))[0]

    def losses_and_sums(
        self, embeddings: Any, labels: Any, training: bool
    ) -> tuple[tf.Tensor, Softmax | Unified]:
        """Losses ``[B]``, with the cosines of the own and of the nearest other class for metrics."""
        numbers = class_numbers(labels, self.classes, embeddings)
        rows, places, chosen = self.select(numbers, training)
        if self.prototypes is not None:
            rows = self.prototypes(rows, chosen)
        cosines = fused_cosines(
            embeddings,
            rows,
            places,
            self.sub_centers,
            self.backend,
            self.products,
            self.skip_below,
            conflict_above=self.conflict_above,
        )
        losses = self.margin.losses(cosines, cosines.norms, training)
        if self.prototypes is not None and training:
            self.prototypes.remember(embeddings, numbers)
        assert cosines.sums is not None
        return losses, cosines.sums

    def select(self, numbers: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Rows that take part, the place of each sample's class among them, and which classes they are."""
        del training
        return tf.convert_to_tensor(self.class_weights), numbers, tf.range(self.classes)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        return {
            **super().get_config(),
            "classes": self.classes,
            "margin": _keras.serialize(self.margin),
            "sub_centers": self.sub_centers,
            "prototypes": _keras.serialize(self.prototypes) if self.prototypes is not None else None,
            "backend": self.backend,
            "products": self.products,
            "skip_below": self.skip_below,
            "conflict_above": self.conflict_above,
            "l2": self.l2,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FusedMarginSoftmax:
        """Build a layer from `get_config`."""
        prototypes = config["prototypes"]
        parts = {
            "margin": _keras.deserialize(config["margin"]),
            "prototypes": _keras.deserialize(prototypes) if prototypes else None,
        }
        return cls(**{**config, **parts})


@_keras.serializable
class PartialFC(FusedMarginSoftmax):
    """A head that trains on the classes of the batch and a random sample of all others.

    Each step draws ``ceil(rate * classes)`` classes without replacement, those of the batch always among
    them; the loss is the margin softmax over these. Outside of training all classes take part.

    Replicas share out the classes: each holds a block of rows, draws from it, and sums over it for the
    samples of all. The gradient holds the rows of the drawn classes alone, and `TrainingModel` gives it to a
    `RowOptimizer`, which updates nothing else. So the matrix is not among the trainable weights of Keras,
    unless ``rate`` is 1 on one replica. Weight decay acts on a row when it is drawn.

    Parameters
    ----------
    classes, margin, sub_centers, prototypes, conflict_above, l2, backend, products, skip_below, **layer
        As in `FusedMarginSoftmax`. Prototypes are for one replica only.
    rate : float in (0, 1]
        Share of the classes that take part in a step.
    seed : int
        Of the draws, which depend on it and the step alone.

    Raises
    ------
    ValueError
        If there are too few classes for the replicas.
    tf.errors.InvalidArgumentError
        When a batch has more classes than are drawn.

    References
    ----------
    An et al., Killing Two Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by
    Partial FC, 2022, sections 3.2 and 3.3.
    """

    def __init__(
        self, classes: int, margin: MarginLoss | None = None, rate: float = 0.1, seed: int = 0, **head: Any
    ) -> None:
        super().__init__(classes, margin, **head)
        self.rate = portion("rate", rate)
        self.seed = seed
        if replicas() > 1:
            rows_of_replica("class_weights", self.classes * self.sub_centers, self.sub_centers)

    def build(self, input_shape: Any) -> None:
        """Create the class matrix and the counter of steps."""
        super().build(input_shape)
        self.own("steps", _keras.add_counter(self, "steps"))

    def _is_for_row_optimizer(self) -> bool:
        return self.rate < 1.0 or replicas() > 1 or super()._is_for_row_optimizer()

    def _add_class_weights(self, shape: tuple[int, int], initializer: Any) -> None:
        self._draws = self.rate < 1.0 or replicas() > 1
        if not self._draws:
            super()._add_class_weights(shape, initializer)
            return
        if self.prototypes is not None and replicas() > 1:
            raise ValueError(f"prototypes: expected one replica, got {replicas()}")
        self._block = -(-self.classes // replicas())
        self.add_rows("class_weights", shape, initializer, together=self.sub_centers)

    def losses_and_sums(
        self, embeddings: Any, labels: Any, training: bool
    ) -> tuple[tf.Tensor, Softmax | Unified]:
        """Losses ``[B]``, with the cosines of the own and of the nearest other class for metrics."""
        if not isinstance(self.class_weights, SharedRows):
            return super().losses_and_sums(embeddings, labels, training)
        context = tf.distribute.get_replica_context()
        numbers = class_numbers(labels, self.classes, embeddings)
        sizes = context.all_gather(tf.shape(numbers)[:1], axis=0)
        of_all = context.all_gather(tf.cast(embeddings, tf.float32), axis=0)
        rows, places, _ = self.select(context.all_gather(numbers, axis=0), training)
        counts = [min(self._block, self.classes - first) for first in range(0, self.classes, self._block)]
        taking_part = sum(map(self.drawn, counts)) if training else self.classes
        sums = _backend.TensorFlowSums(self.products)  # the op knows no samples of other replicas' classes
        of_shard = FusedCosines(
            of_all, rows, places, self.sub_centers, sums, conflict_above=self.conflict_above
        )
        cosines = ShardCosines(of_shard, taking_part, sizes)
        losses = self.margin.losses(cosines, cosines.norms, training)
        assert cosines.sums is not None
        return losses, cosines.sums

    def select(self, numbers: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Rows that take part, each sample's place among them (-1: elsewhere), and their classes."""
        if not self._draws:
            return super().select(numbers, training)
        first = _keras.replica() * self._block
        count = min(self._block, self.classes - first)
        numbers = numbers - first
        here = (numbers >= 0) & (numbers < count)
        chosen = self._draw(tf.boolean_mask(numbers, here), count) if training else tf.range(count)
        parts = tf.reshape(chosen[:, None] * self.sub_centers + tf.range(self.sub_centers), [-1])
        rows = tf.gather(local(self.class_weights), parts)
        places = tf.where(here, tf.searchsorted(chosen, numbers), -1)
        return rows, places, chosen + first

    def drawn(self, count: int) -> int:
        """Count the classes that a step draws of the ``count`` ones of a replica."""
        return min(count, max(2, math.ceil(self.rate * count)))

    def _draw(self, numbers: tf.Tensor, count: int) -> tf.Tensor:
        """Ascending numbers below ``count``: the smallest of random keys, those of the batch below all."""
        self.steps.assign_add(1)
        drawn = self.drawn(count)
        own = tf.unique(numbers)[0]
        message = f"labels: more classes in the batch than the {drawn} drawn of {count}: raise the rate"
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.size(own), drawn, message)]):
            own = tf.identity(own)
        step = tf.cast(tf.convert_to_tensor(self.steps), tf.int32)
        keys = tf.random.stateless_uniform([count], tf.stack([self.seed + _keras.replica(), step]))
        keys = tf.tensor_scatter_nd_update(keys, own[:, None], tf.fill(tf.shape(own), -1.0))
        return tf.sort(tf.math.top_k(-keys, drawn, sorted=False).indices)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
