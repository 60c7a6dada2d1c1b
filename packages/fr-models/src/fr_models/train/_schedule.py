"""What schedules share: a warm-up, then a formula of the step, the same in NumPy and in TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any

import numpy as np

from fr_models._settings import Settings, number, whole


@dataclass(frozen=True)
class Schedule(Settings):
    """What schedules share: the rate to begin with and the way up to it.

    Attributes
    ----------
    base : float
        The highest rate.
    warmup_epochs : int
        Epochs in which the rate rises step by step, along a line, from `start` to `base`.
    """

    base: Annotated[float, number(0, above=True)] = 0.001
    warmup_epochs: Annotated[int, whole(0)] = 0

    def rate(self, step: Any, steps_per_epoch: int) -> np.ndarray:
        """Return the learning rates of steps.

        Parameters
        ----------
        step : int or int array
            From 0 on.
        steps_per_epoch : int
            Of the training.

        Returns
        -------
        float64
            In the shape of ``step``.

        Examples
        --------
        >>> from fr_models.train.schedules import Steps
        >>> Steps(base=0.1, epochs=(20, 30)).rate([0, 19, 20, 30], steps_per_epoch=1).round(6).tolist()
        [0.1, 0.1, 0.01, 0.001]
        """
        return np.asarray(self.formula(np.asarray(step, np.int64), steps_per_epoch, np))

    def formula(self, step: Any, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Compute rates of int64 steps by functions of ``xp``: NumPy's, or TensorFlow's of the same names."""
        warmup = self.warmup_epochs * steps_per_epoch
        after = self.after_warmup(step, warmup, steps_per_epoch, xp)
        if not warmup:
            return after
        share = as_float(step, xp) / warmup
        return xp.where(step < warmup, self.start + (self.base - self.start) * share, after)

    @property
    def start(self) -> float:
        """The rate that warm-up begins with."""
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what `checked_schedule` takes."""
        return {"schedule": type(self).__name__.lower(), **super().to_dict()}

    def after_warmup(self, step: Any, warmup: int, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Rates of steps after ``warmup``, counted from 0. A child overrides this."""
        raise NotImplementedError


def as_float(value: Any, xp: ModuleType) -> Any:
    """Return float64 numbers of ``xp``."""
    return np.asarray(value, np.float64) if xp is np else xp.cast(value, xp.float64)
