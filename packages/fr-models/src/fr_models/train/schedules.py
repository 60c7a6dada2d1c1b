"""Learning rates as pure functions of the step: the same in NumPy and, as a Keras schedule, in TensorFlow.

Steps and epochs are integers: an epoch begins at its number times ``steps_per_epoch``. No rate depends on
what was called before, so that a resumed training goes on with the same numbers. All is computed in float64.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any

import numpy as np

from fr_models._settings import list_of, nearest, number, whole, with_key
from fr_models.train._schedule import Schedule, as_float

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Schedule",
    "Steps",
    "checked_schedule",
    "reference_schedule",
]

MOST_PERIODS = 32  # of a cosine whose periods grow: the last begins after 2^31 times the first

# Our keys, and the arguments of Keras_insightface that they come from.
REFERENCE_NAMES = {
    "base": "lr_base",
    "decay": "lr_decay",
    "restart": "lr_decay",
    "epochs": "lr_decay_steps",
    "minimum": "lr_min",
    "warmup_epochs": "lr_warmup_steps",
}
REFERENCE_KEYS = frozenset(REFERENCE_NAMES.values())


@dataclass(frozen=True)
class Constant(Schedule):
    """The rate stays ``base``."""

    def after_warmup(self, step: Any, warmup: int, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Rates of steps."""
        return self.base + 0.0 * as_float(step, xp)


@dataclass(frozen=True)
class Steps(Schedule):
    """The rate is ``base`` times ``decay`` for each of ``epochs`` that has begun.

    Warm-up begins with the last rate, and does not shift the epochs.

    Attributes
    ----------
    decay : float
        What the rate is multiplied by.
    epochs : list of int
        When, from 0 on.

    References
    ----------
    Keras_insightface, ``constant_scheduler``.
    """

    decay: Annotated[float, number(0, 1, above=True)] = 0.1
    epochs: Annotated[tuple[int, ...], list_of(whole(1))] = ()

    @property
    def start(self) -> float:
        """The rate that warm-up begins with."""
        return self.base * self.decay ** len(self.epochs)

    def after_warmup(self, step: Any, warmup: int, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Rates of steps."""
        rate = self.base + 0.0 * as_float(step, xp)
        for epoch in self.epochs:
            rate = xp.where(step >= epoch * steps_per_epoch, rate * self.decay, rate)
        return rate


@dataclass(frozen=True)
class Exponential(Schedule):
    """The rate is ``max(base exp(-decay e), minimum)`` in the ``e``-th epoch after warm-up.

    Attributes
    ----------
    decay, minimum : float
        As in the formula; warm-up begins with the minimum.

    References
    ----------
    Keras_insightface, ``exp_scheduler``.
    """

    decay: Annotated[float, number(0)] = 0.05
    minimum: Annotated[float, number(0)] = 1e-6

    @property
    def start(self) -> float:
        """The rate that warm-up begins with."""
        return self.minimum

    def after_warmup(self, step: Any, warmup: int, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Rates of steps."""
        epoch = as_float(xp.maximum(step - warmup, 0) // steps_per_epoch, xp)
        return xp.maximum(self.base * xp.exp(-self.decay * epoch), self.minimum)


@dataclass(frozen=True)
class Cosine(Schedule):
    """The rate falls along half a cosine, step by step; then it stays low, or begins again.

    Over ``epochs`` it falls from ``base`` to ``minimum``, where it stays without a ``restart``. With one,
    it stays there for ``cooldown`` epochs and falls again, from a peak ``restart`` times as high, over
    ``growth`` times as many epochs, and so on. The ``k``-th peak is ``minimum + (base - minimum) restart^k``.

    Attributes
    ----------
    epochs : int
        Of the first period, warm-up not counted.
    minimum : float
        The lowest rate; warm-up begins with it.
    restart : float in (0, 1], optional
        Peak of a period by that of the one before; by default the rate stays low after the first.
    growth : int
        Epochs of a period by those of the one before.
    cooldown : int
        Epochs of the lowest rate after each period.

    References
    ----------
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, equation 5;
    Keras_insightface, ``CosineLrScheduler``.
    """

    epochs: Annotated[int, whole(1)] = 16
    minimum: Annotated[float, number(0)] = 1e-6
    restart: Annotated[float | None, number(0, 1, above=True)] = None
    growth: Annotated[int, whole(1)] = 2
    cooldown: Annotated[int, whole(0)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.minimum > self.base:
            raise ValueError(f"minimum: expected a number up to base, {self.base:g}, got {self.minimum:g}")

    @property
    def start(self) -> float:
        """The rate that warm-up begins with."""
        return self.minimum

    def after_warmup(self, step: Any, warmup: int, steps_per_epoch: int, xp: ModuleType) -> Any:
        """Rates of steps."""
        step = xp.maximum(step - warmup, 0)
        if self.restart is None:
            return self._fall(step, self.epochs * steps_per_epoch, 1.0, xp)
        if self.growth == 1:
            period = (self.epochs + self.cooldown) * steps_per_epoch
            peak = self.restart ** as_float(step // period, xp)
            return self._fall(step % period, self.epochs * steps_per_epoch, peak, xp)
        rate, first, epochs, peak = step, 0, self.epochs, 1.0
        for number_ in range(MOST_PERIODS):
            begun = self._fall(step - first, epochs * steps_per_epoch, peak, xp)
            rate = begun if number_ == 0 else xp.where(step >= first, begun, rate)
            first += (epochs + self.cooldown) * steps_per_epoch
            epochs, peak = epochs * self.growth, peak * self.restart
            if first > np.iinfo(np.int64).max // (2 * self.growth):
                break
        return rate

    def _fall(self, step: Any, steps: int, peak: Any, xp: ModuleType) -> Any:
        """Rates of steps of a period: half a cosine, then the minimum."""
        share = as_float(xp.minimum(xp.maximum(step, 0), steps), xp) / steps
        height = 0.5 * (1.0 + xp.cos(math.pi * share))
        return self.minimum + (self.base - self.minimum) * peak * height


SCHEDULES = {kind.__name__.lower(): kind for kind in (Constant, Steps, Exponential, Cosine)}


def checked_schedule(value: Any) -> Schedule:
    """Return a schedule from a rate, from a mapping with its ``schedule`` and settings, or itself.

    A mapping of the arguments of `reference_schedule` stands for what that makes of them.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> checked_schedule({"schedule": "steps", "base": 0.1, "epochs": [20, 30]}).decay
    0.1
    >>> checked_schedule({"lr_base": 0.1, "lr_decay_steps": [20, 30], "lr_decay": 0.1}).epochs
    (20, 30)
    """
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, Mapping):
        return Constant(base=number(0, above=True)(value))
    settings = dict(value)
    if "schedule" not in settings and not REFERENCE_KEYS.isdisjoint(settings):
        for key in settings:
            if key not in REFERENCE_KEYS:
                raise ValueError(f"{key}: no such key, {nearest(key, sorted(REFERENCE_KEYS))}")
        return reference_schedule(**settings)
    name = settings.pop("schedule", None)
    if name not in SCHEDULES:
        raise ValueError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {name!r}")
    return SCHEDULES[name].from_dict(settings)


def reference_schedule(
    lr_base: float = 0.001,
    lr_decay: float = 0.05,
    lr_decay_steps: Any = 0,
    lr_min: float = 1e-6,
    lr_warmup_steps: int = 0,
) -> Schedule:
    """Make the schedule that these arguments of Keras_insightface's ``Train`` stand for.

    A list of ``lr_decay_steps`` means `Steps`; a number above 1 `Cosine`, with restarts unless ``lr_min`` is
    ``lr_base * lr_decay`` within a millionth (the reference compares floats, and so restarts where its own
    documentation says that it does not); else `Exponential`.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names the argument.
    """
    several = isinstance(lr_decay_steps, list | tuple)
    if not several:
        with_key("lr_decay_steps", whole(0), lr_decay_steps)
    warm: dict[str, Any] = {"base": lr_base, "warmup_epochs": lr_warmup_steps}
    try:
        checked = Exponential(**warm, decay=lr_decay, minimum=lr_min)
        if several:
            return Steps(**warm, decay=lr_decay, epochs=lr_decay_steps)
        if lr_decay_steps > 1:
            once = math.isclose(lr_min, lr_base * lr_decay, rel_tol=1e-6)
            restart = None if once else lr_decay
            return Cosine(**warm, epochs=lr_decay_steps, minimum=lr_min, restart=restart)
        return checked
    except ValueError as error:  # in its own keys
        raise ValueError(re.sub(r"^\w+", lambda key: REFERENCE_NAMES[key[0]], str(error))) from None
