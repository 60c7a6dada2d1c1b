"""A stage as it trains: its model, a step on a batch, its figures, and all of its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fr_models import _keras
from fr_models.data.pipeline import Pipeline
from fr_models.train import checkpoints
from fr_models.train.average import WeightAverage
from fr_models.train.build import build_stage, build_step
from fr_models.train.recipe import Recipe
from fr_models.train.teacher import TeacherSource

__all__ = ["StageRun"]


class StageRun:
    """Builds a stage and trains it, step by step.

    Parameters
    ----------
    recipe : Recipe
        Of the run.
    number : int
        Of the stage, from 0 on.
    backbone : keras.Model
        Which all stages train.
    classes : int
        Of the images.
    pipeline : Pipeline
        Their batches.
    strategy : tf.distribute.Strategy
        Who trains.
    teacher : TeacherSource, optional
        Whom stages learn from that distil.
    previous : fr_losses.TrainingModel, optional
        That of the stage before, which hands over what the classes have learnt.
    average : WeightAverage, optional
        Of the backbone, which goes on from stage to stage.
    images : callable, optional
        Gives all images, plain, to find the dominant ones of several sub-centers.

    Attributes
    ----------
    model : fr_losses.TrainingModel
        The backbone and its losses.
    parts : dict
        Of a checkpoint.
    """

    def __init__(
        self,
        recipe: Recipe,
        number: int,
        backbone: Any,
        classes: int,
        pipeline: Pipeline,
        strategy: Any,
        teacher: TeacherSource | None = None,
        previous: Any = None,
        average: WeightAverage | None = None,
        images: Callable[[], Iterable[Any]] | None = None,
    ) -> None:
        with strategy.scope():
            self.model = build_stage(
                recipe,
                number,
                backbone,
                classes,
                previous,
                steps_per_epoch=pipeline.steps_per_epoch,
                teacher=teacher,
                batches=images,
            )
            self._step = build_step(recipe, number, self.model, average)
        self._compiled = tf.function(self._report, reduce_retracing=True, autograph=False)
        skipped = [self._step.skipped, self._step.skipped_in_a_row]
        averages = [] if average is None else [average.updates, *average.averages]
        self.parts = checkpoints.parts_of(self.model, skipped=skipped, average=averages)

    def step(self, batch: Any) -> dict[str, tf.Tensor]:
        """Take a step; its report says whether it was finite."""
        report: dict[str, tf.Tensor] = self._compiled(batch)
        return report

    def begin_epoch(self) -> None:
        """Begin the means of an epoch."""
        for metric in self.model.metrics:
            metric.reset_state()

    def figures(self) -> dict[str, float]:
        """Return the means since the epoch began, nan where no step of it was finite."""
        return {
            metric.name: float(metric.result()) if float(tf.convert_to_tensor(metric.count)) else math.nan
            for metric in self.model.metrics
        }

    def state_figures(self) -> dict[str, float]:
        """Return what is no mean: last learning rate, steps of the stage left out."""
        rate = float(tf.convert_to_tensor(_keras.learning_rate(self.model.optimizer)))
        return {"learning_rate": rate, "skipped_steps": int(self._step.skipped.numpy())}

    def backbone_weights(self) -> list[NDArray[Any]]:
        """Return the weights to be evaluated and exported: the average, if there is one."""
        if self._step.average is None:
            return [np.asarray(weight) for weight in self.model.backbone.get_weights()]
        with self._step.average.in_place():
            return [np.asarray(weight) for weight in self.model.backbone.get_weights()]

    def _report(self, batch: Any) -> dict[str, tf.Tensor]:
        return {**self._step(batch), "in_a_row": tf.identity(self._step.skipped_in_a_row)}
