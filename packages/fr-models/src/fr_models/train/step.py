"""One step of training: a batch in parts, twice for SAM, clipped; and nothing at all if it is not finite.

A step whose loss or gradient is not finite on any replica changes no weight, no slot of an optimizer, no
state of a loss, no statistic of batch normalisation and no metric, on all replicas; it is counted, and what
counts steps for the learning rate does not count it. Only an optimizer that scales losses of half precision
lowers its scale, and random states of layers go on.

Gradients are computed in replicas, and decided on outside of them: `TrainStep` is called as
``strategy.run`` would be, with what a distributed dataset gives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from fr_losses import TrainingModel
from fr_losses.training_model import BatchLosses
from tensorflow import keras

from fr_models._keras import scales_losses, tensor_variable
from fr_models.train._gradients import (
    added,
    each,
    part_of,
    size_of_parts,
    sum_of_replicas,
    values_of,
    with_distinct_rows,
)
from fr_models.train.average import WeightAverage
from fr_models.train.batch_memory import BatchMemory
from fr_models.train.clipping import Clipping

__all__ = ["TrainStep"]


class _Pass(NamedTuple):
    """A batch's gradients on a replica: with the loss and their norm, of all replicas."""

    gradients: list[Any]
    norm: tf.Tensor
    loss: tf.Tensor
    finite: tf.Tensor
    batches: list[BatchLosses]


class TrainStep(tf.Module):
    """Take steps on batches.

    To be created in the scope of the model's strategy, and called outside of replicas, in a `tf.function`.
    Metrics of the model follow the batches that count.

    Parameters
    ----------
    model : TrainingModel
        Compiled.
    accumulate : int
        Equal parts that a replica's batch is computed in, one after the other. The gradient is that of the
        whole batch, except that batch normalisation and losses that compare samples see the parts.
    clip_norm : float, optional
        Largest Euclidean norm of the gradients of all weights together.
    clip_value : float, optional
        Largest absolute value of a number of the gradients, before ``clip_norm``.
    sam : float
        Radius ``rho`` of sharpness-aware minimisation: the gradient is taken at ``w + rho g / |g|``. Costs a
        second pass. 0 for none.
    average : WeightAverage, optional
        Of the backbone, which follows each step that counts. It may have followed others before.

    Attributes
    ----------
    average : WeightAverage or None
        Of the backbone.
    skipped, skipped_in_a_row : int64 variables
        Steps that were not finite: all, and since the last that was.

    Raises
    ------
    ValueError
        If ``sam`` is to meet a head that draws classes, which would draw others in the second pass; or, when
        it is called, if a batch cannot be computed in equal parts.

    References
    ----------
    Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021, algorithm 1.

    Examples
    --------
    >>> from fr_losses import FusedMarginSoftmax
    >>> backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
    >>> model = TrainingModel(backbone, FusedMarginSoftmax(classes=10))
    >>> model.compile("sgd")
    >>> step = TrainStep(model, accumulate=2)
    >>> report = step((tf.ones((4, 8)), tf.constant([0, 1, 2, 3])))
    >>> sorted(report), bool(report["finite"])
    (['finite', 'gradient_norm', 'loss'], True)
    """

    def __init__(
        self,
        model: TrainingModel,
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        sam: float = 0.0,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__(name="train_step")
        if sam and model.row_optimizer is not None:
            raise ValueError(
                "sam: expected a head all of whose rows Keras trains, got one with a RowOptimizer"
            )
        self.model = model
        self.accumulate = accumulate
        self.sam = sam
        self.average = average
        self.skipped = tf.Variable(0, trainable=False, dtype=tf.int64, name="skipped")
        self.skipped_in_a_row = tf.Variable(0, trainable=False, dtype=tf.int64, name="skipped_in_a_row")
        self._reduces = bool(sam or clip_norm or clip_value)  # before the optimizer adds replicas up
        self._clipping = Clipping(model, clip_norm, clip_value, self._reduces)
        self._strategy = tf.distribute.get_strategy()
        self._memory = BatchMemory(model)
        if hasattr(model.optimizer, "build"):  # those of Addons make their slots as they need them
            model.optimizer.build(model.trainable_variables)

    def __call__(self, batch: Any) -> dict[str, tf.Tensor]:
        """Take a step.

        Parameters
        ----------
        batch : tuple
            ``(images, targets)`` or ``(images, targets, weights)``, as `TrainingModel.batch_losses` takes
            them, or their values on replicas.

        Returns
        -------
        dict
            ``loss`` of the batch; ``gradient_norm`` before clipping, which several replicas know only if they
            clip; and whether both are ``finite``.
        """
        before = self._memory.kept(batch)
        first = last = _Pass(*self._strategy.run(self._pass, args=(batch, True)))
        finite = self._one(first.finite)
        if self.sam:
            last = self._uphill(first, batch)
            finite = tf.logical_and(finite, self._one(last.finite))
        self._strategy.run(self._record, args=(first.batches, finite))
        self._take(last.gradients, finite)
        tf.cond(finite, lambda: tf.constant(True), lambda: self._memory.put_back(before))
        self.skipped.assign_add(tf.cast(~finite, tf.int64))
        row = tf.cast(~finite, tf.int64) * (self.skipped_in_a_row + 1)
        self.skipped_in_a_row.assign(row)
        report = {"loss": self._one(first.loss), "finite": finite}
        if self._reduces or self._strategy.num_replicas_in_sync == 1:
            report["gradient_norm"] = self._one(first.norm)
        return report

    def _uphill(self, first: _Pass, batch: Any) -> _Pass:
        """Compute where the gradient of a first pass leads to, and come back; nothing of it is remembered."""
        after_first = self._memory.kept(batch)
        before = self._climb(first)
        second = _Pass(*self._strategy.run(self._pass, args=(batch, False)))
        self._put(self._variables(), before)
        self._memory.put_back(after_first)
        return second

    def _pass(self, batch: Any, first: bool) -> _Pass:
        """Compute in a replica; what layers and losses know of past batches follows this one."""
        batches, gradients = self._in_parts(batch, state_moves=first)
        gradients, norm = self._clipping(gradients, clips=not (first and self.sam))
        losses = [tf.reduce_all(tf.math.is_finite(one.losses)) for one in batches]
        bad = tf.cast(~tf.reduce_all(tf.stack([tf.math.is_finite(norm), *losses])), tf.float32)
        loss = tf.add_n([one.mean() for one in batches]) / len(batches)
        bad, loss = sum_of_replicas([bad, loss])
        return _Pass(gradients, norm, loss, bad < 0.5, batches)

    def _record(self, batches: list[BatchLosses], finite: tf.Tensor) -> None:
        """Let the metrics follow, in a replica, a batch that counts."""
        for one in batches:
            self.model.record(one, finite)

    def _in_parts(self, batch: Any, state_moves: bool) -> tuple[list[BatchLosses], list[Any]]:
        """Losses of the parts of a replica's batch, and the mean of their gradients."""
        whole = keras.utils.unpack_x_y_sample_weight(batch)
        if self.accumulate == 1:
            images, targets, weights = whole
            one, gradients = self.model.gradients(images, targets, weights, state_moves)
            return [one], gradients
        size = size_of_parts(whole[0], self.accumulate)
        batches: list[BatchLosses] = []
        total: list[Any] = []
        for number in range(self.accumulate):
            done = [values_of(gradient) for gradient in total if gradient is not None]
            with tf.control_dependencies(done):  # one after the other, or memory would be that of the whole
                images, targets, weights = tf.nest.map_structure(
                    lambda values, n=number: part_of(values, n, size), whole
                )
            one, gradients = self.model.gradients(images, targets, weights, state_moves)
            batches.append(one)
            total = [added(*both) for both in zip(total, gradients, strict=True)] if total else gradients
        parts = self.accumulate
        return batches, [with_distinct_rows(of_weight) for of_weight in each(total, lambda g: g / parts)]

    def _climb(self, first: _Pass) -> list[tf.Tensor]:
        """Go to where the gradient is to be taken, and return where the weights were."""
        replicas = float(self._strategy.num_replicas_in_sync)

        def offsets(gradients: list[Any], norm: tf.Tensor, finite: tf.Tensor) -> list[tf.Tensor]:
            length = tf.where(finite, replicas * self.sam / tf.maximum(norm, 1e-12), 0.0)
            return [
                tf.zeros_like(variable) if gradient is None else tf.where(finite, length * gradient, 0.0)
                for variable, gradient in zip(self._variables(), gradients, strict=True)
            ]

        steps = self._strategy.run(offsets, args=(first.gradients, first.norm, first.finite))
        before = [tf.identity(variable) for variable in self._variables()]
        for variable, step in zip(self._variables(), steps, strict=True):
            self._strategy.extended.update(variable, lambda v, by: v.assign_add(by), args=(step,))
        return before

    def _take(self, gradients: list[Any], finite: tf.Tensor) -> None:
        """Let the optimizer update weights by gradients that are finite."""

        def update() -> tf.Tensor:
            self._strategy.run(self.model.apply_gradients, args=(gradients,))
            return self._follow()

        if scales_losses(self.model.optimizer):  # it leaves the step out by itself, and lowers its scale
            count = [tensor_variable(self.model.optimizer.inner_optimizer.iterations)]
            before = [tf.identity(count[0])]

            def uncount() -> tf.Tensor:  # as Keras 2 has counted the step all the same
                self._put(count, before)
                return tf.constant(False)

            self._strategy.run(self._apply_scaled, args=(gradients, finite))
            tf.cond(finite, self._follow, uncount)
        else:
            tf.cond(finite, update, lambda: tf.constant(False))

    def _apply_scaled(self, gradients: list[Any], finite: tf.Tensor) -> None:
        """Give an optimizer gradients, none of them finite if the loss or their norm is not."""
        self.model.apply_gradients(
            each(gradients, lambda g: tf.where(finite, g, tf.constant(float("nan"), g.dtype)))
        )

    def _follow(self) -> tf.Tensor:
        if self.average is not None:
            self.average.update()
        return tf.constant(True)

    def _variables(self) -> list[Any]:
        return [tensor_variable(variable) for variable in self.model.trainable_variables]

    def _put(self, variables: list[Any], values: list[tf.Tensor]) -> None:
        for variable, value in zip(variables, values, strict=True):
            self._strategy.extended.update(variable, lambda v, to: v.assign(to), args=(value,))

    def _one(self, value: Any) -> tf.Tensor:
        """Return a value that all replicas have alike."""
        return self._strategy.experimental_local_results(value)[0]
