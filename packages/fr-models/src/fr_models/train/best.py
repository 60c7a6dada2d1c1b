"""Which model of a run is the best: by one figure, the highest or the lowest, the first of equals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fr_models._settings import nearest
from fr_models.train import recipe
from fr_models.train.best_files import best_record, settle_best
from fr_models.train.evaluation import RATES_1N, TARS, Evaluation

__all__ = ["Best"]

OF_TRAINING = ("accuracy", "loss", "target_cosine")
# What a better model has more or less of; other figures, such as thresholds, do not tell.
MODES = {
    "loss": "min",
    "eer": "min",
    **dict.fromkeys(("accuracy", "target_cosine", "max_accuracy", "auc", *TARS, *RATES_1N), "max"),
}


class Best:
    """Judges models by the figure that a recipe names.

    Without a name it is the first figure of the first evaluation; without evaluations the newest model is the
    best.

    Parameters
    ----------
    settings : recipe.Evaluation
        ``best`` and ``mode`` of a recipe.
    evaluations : sequence of Evaluation
        What is measured.
    folder : Path
        Of the run.

    Raises
    ------
    ValueError
        If no evaluation gives such a figure, it does not tell which model is better, or it does by the other
        mode.
    """

    def __init__(self, settings: recipe.Evaluation, evaluations: Sequence[Evaluation], folder: Path) -> None:
        known = {f"{one.name}.{figure}": figure for one in evaluations for figure in one.figures}
        self._metric = settings.best if settings.best or evaluations else "step"
        self._mode = "max"
        if settings.best or evaluations:
            self._mode = _mode(settings, known | {name: name for name in OF_TRAINING})
        self._prefix = f"{evaluations[0].name}." if evaluations else ""
        self._folder = folder

    def better(
        self, figures: Mapping[str, Any], where: Mapping[str, int], best: Mapping[str, Any] | None
    ) -> dict[str, Any] | None:
        """Return the record of a model that is better than the best so far, else None.

        Parameters
        ----------
        figures : mapping of str to float
            Of the model.
        where : mapping of str to int
            Its ``epoch`` and ``step``.
        best : mapping, optional
            The record of the best so far; one of another figure is no rival.
        """
        metric = self._metric or self._first(figures)
        figures = {**figures, **where}
        if metric not in figures:  # one of an epoch's training, asked within the epoch
            return None
        value = float(figures[metric])
        known = best["value"] if best is not None and best["metric"] == metric else None
        if not math.isfinite(value) or (known is not None and not self._is_better(value, known)):
            return None
        return {"metric": metric, "value": value, **where}

    def why_none(self, figures: Mapping[str, Any]) -> str | None:
        """Say why the model of an epoch cannot be judged by its figures, or return None."""
        metric = self._metric or self._first(figures)
        if metric == "step" or math.isfinite(figures.get(metric, math.nan)):
            return None
        found = (
            f"is {figures[metric]}" if metric in figures else f"was not measured, but {', '.join(figures)}"
        )
        return f"evaluate.best: {metric} {found}: this model cannot become the best"

    def settled(self, say: Callable[[str], None]) -> dict[str, Any] | None:
        """Return the record of the best model in the folder, which no worse one replaces; None without any.

        It may be newer than the checkpoint of a killed run. One that was the best by another figure than the
        recipe names now is no rival.

        Parameters
        ----------
        say : callable
            Told in a line of a model that is no rival.

        Raises
        ------
        ValueError
            If the files are damaged.
        """
        settle_best(self._folder)
        written = best_record(self._folder)
        if written is None:
            return None
        if self._metric not in (None, written["metric"]):
            say(
                f"{self._folder}: best.keras is the best by {written['metric']}, not {self._metric}: "
                "the next model takes its place"
            )
            return None
        return {name: value for name, value in written.items() if name != "sha256"}

    def _first(self, figures: Mapping[str, Any]) -> str:
        return next(name for name in figures if name.startswith(self._prefix))

    def _is_better(self, value: float, known: float) -> bool:
        return value > known if self._mode == "max" else value < known


def _mode(settings: recipe.Evaluation, known: Mapping[str, str]) -> str:
    """Say whether the best has most or least of its figure; ``known`` are figures by their full names."""
    name = settings.best or next(iter(known))
    if name not in known:
        of_set = [figure for figure in known if "." in figure and figure.split(".")[0] == name.split(".")[0]]
        meant = f"expected one of {', '.join(of_set)}" if of_set else nearest(name, known)
        raise ValueError(f"evaluate.best: {name!r}: no such figure, {meant}")
    mode = MODES.get(known[name])
    if mode is None:
        raise ValueError(f"evaluate.best: {name!r}: expected one of {', '.join(MODES)}")
    if settings.mode not in (None, mode):
        raise ValueError(f"evaluate.mode: expected {mode} for {name}, got {settings.mode!r}")
    return mode
