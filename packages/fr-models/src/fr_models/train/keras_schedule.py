"""A schedule as Keras knows one: called with the number of a step, in TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models._keras import serializable
from fr_models.train.schedules import Schedule, checked_schedule

__all__ = ["KerasSchedule"]


@serializable
class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of an optimizer's steps.

    Parameters
    ----------
    schedule : Schedule or mapping
        As `fr_models.train.schedules.checked_schedule` takes it.
    steps_per_epoch : int
        Of the training.
    first_epoch : int
        The epoch that the optimizer's step 0 belongs to.

    Examples
    --------
    >>> from fr_models.train.schedules import Steps
    >>> rate = KerasSchedule(Steps(base=0.1, epochs=(2,)), steps_per_epoch=10, first_epoch=1)
    >>> [f"{float(rate(step)):.2f}" for step in (0, 9, 10)]
    ['0.10', '0.10', '0.01']
    """

    def __init__(
        self, schedule: Schedule | dict[str, Any], steps_per_epoch: int, first_epoch: int = 0
    ) -> None:
        super().__init__()
        self.schedule = checked_schedule(schedule)
        self.steps_per_epoch = steps_per_epoch
        self.first_epoch = first_epoch

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of a step, float32."""
        number = tf.cast(step, tf.int64) + self.first_epoch * self.steps_per_epoch
        return tf.cast(self.schedule.formula(number, self.steps_per_epoch, tf), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal schedule."""
        return {
            "schedule": self.schedule.to_dict(),
            "steps_per_epoch": self.steps_per_epoch,
            "first_epoch": self.first_epoch,
        }
