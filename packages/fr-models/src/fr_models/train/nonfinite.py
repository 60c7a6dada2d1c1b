"""Steps left out because a loss or gradient was not finite: each is named, and too many end the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fr_models.train.recipe import Recipe

__all__ = ["NonFinite", "NonFiniteSteps"]


class NonFinite(ArithmeticError):
    """A loss or gradient was not finite, and the recipe says that the run ends then."""


class NonFiniteSteps:
    """Looks at the report of each step, one step late: to read the last one would wait for the device.

    Parameters
    ----------
    recipe : Recipe
        ``on_nonfinite`` and ``most_nonfinite``.
    say : callable
        Told of each step that was left out.
    """

    def __init__(self, recipe: Recipe, say: Callable[[str], None]) -> None:
        self._most = 1 if recipe.on_nonfinite == "stop" else recipe.most_nonfinite
        self._say = say
        self._waiting: tuple[str, Any] | None = None

    def after(self, step: str, report: Any) -> None:
        """Note the report of a step, and look at the one before.

        Parameters
        ----------
        step : str
            Which it was, in words.
        report : dict of tensors
            Of `TrainStep`: ``loss``, ``finite`` and ``in_a_row``.

        Raises
        ------
        NonFinite
            If the step before was one too many.
        """
        self.look()
        self._waiting = (step, report)

    def look(self) -> None:
        """Look at the last report, as before a checkpoint.

        Raises
        ------
        NonFinite
            If the step was one too many.
        """
        if self._waiting is None:
            return
        (step, report), self._waiting = self._waiting, None
        if bool(report["finite"]):
            return
        in_a_row = int(report["in_a_row"])
        what = f"{step}: loss {float(report['loss']):g}, or a gradient, is not finite"
        if in_a_row >= self._most:
            raise NonFinite(f"{what}; on_nonfinite and most_nonfinite end the run after {in_a_row} in a row")
        self._say(f"{what}: left out")
