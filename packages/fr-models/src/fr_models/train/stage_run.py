"""A stage as it trains: its model, a step on a batch, its figures, and all of its state."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fr_models.train import checkpoints
from fr_models.train.build import build_stage
from fr_models.train.recipe import Recipe
from fr_models.train.step import TrainStep

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
    classes, steps_per_epoch : int
        Of the images.
    strategy : tf.distribute.Strategy
        Who trains.
    previous : fr_losses.TrainingModel, optional
        That of the stage before, which hands over what the classes have learnt.

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
        steps_per_epoch: int,
        strategy: Any,
        previous: Any,
    ) -> None:
        with strategy.scope():
            self.model = build_stage(recipe, number, backbone, classes, previous)
            self.model.optimizer.build(self.model.trainable_variables)
            self._step = TrainStep(self.model)
        self._strategy = strategy
        self.parts = checkpoints.parts_of(self.model)
        self.step = tf.function(self._on_replicas, reduce_retracing=True)

    def begin_epoch(self) -> None:
        """Begin the means of an epoch."""
        for metric in self.model.metrics:
            metric.reset_state()

    def figures(self) -> dict[str, float]:
        """Means since the epoch began."""
        return {metric.name: float(metric.result()) for metric in self.model.metrics}

    def regularisers(self) -> dict[str, float]:
        """Return the part of the loss that no sample has, if there is one."""
        losses = self.model.losses
        return {"regular_loss": float(tf.add_n(losses))} if losses else {}

    def backbone_weights(self) -> list[NDArray[Any]]:
        """Weights to be evaluated and exported."""
        return [np.asarray(weight) for weight in self.model.backbone.get_weights()]

    def _on_replicas(self, batch: Any) -> None:
        self._strategy.run(self._step, args=(batch,))
