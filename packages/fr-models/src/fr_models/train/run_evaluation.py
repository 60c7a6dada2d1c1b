"""The backbone of a run, measured as it is, and kept where it is the best so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fr_models.train._device_errors import located
from fr_models.train.best_files import write_best
from fr_models.train.opened_run import OpenedRun
from fr_models.train.progress import Display
from fr_models.train.snapshot import Snapshot
from fr_models.train.stage_run import StageRun
from fr_models.train.state import State

__all__ = ["RunEvaluation"]


class RunEvaluation:
    """Measures the backbone of a run, and writes the best one.

    Parameters
    ----------
    opened : OpenedRun
        Its evaluations, and its folder.
    backbone : keras.Model
        What is measured; its weights are copied each time.
    display : Display
        Shows how far an evaluation is.
    """

    def __init__(self, opened: OpenedRun, backbone: Any, display: Display) -> None:
        self._opened = opened
        self._snapshot = Snapshot(backbone, opened.pipeline.preprocessing)
        self._display = display

    def settle_best(self, state: State) -> None:
        """Let the best model be the one in the folder, which may be newer than the checkpoint."""
        folder, say = self._opened.folder.path, self._display.say
        known, state.best = state.best, self._opened.best.settled(say)
        if known is not None and not (folder / "best.keras").exists():
            say(f"{folder}: best.keras is gone, the next model takes its place")

    def is_due(self, state: State) -> bool:
        """Whether the recipe wants figures after the steps that are done, and there are none yet."""
        every, done = self._opened.recipe.evaluate.every_steps, self._steps_of(state)
        measured = [row["step"] for row in state.history.evaluations[-1:]]
        return every is not None and done % every == 0 and done not in measured

    def within_epoch(self, run: StageRun, state: State) -> dict[str, float]:
        """Measure the backbone between two steps; the history has the figures, too."""
        figures = self.measure(run, state)
        state.history.add_evaluation({"step": self._steps_of(state), **figures})
        return figures

    def of_epoch(self, run: StageRun, state: State, row: Mapping[str, Any]) -> dict[str, float]:
        """Measure the backbone of an epoch that has ended, if the recipe wants it.

        Says why if the epoch lacks the figure that decides on the best.
        """
        recipe, within, epoch = self._opened.recipe, self.is_due(state), state.epoch_of_run + 1
        if not within and epoch % recipe.evaluate.every_epochs and epoch < recipe.epochs:
            return {}
        figures = self.measure(run, state, row)
        if within:
            state.history.add_evaluation({"step": self._steps_of(state), **figures})
        if self._opened.is_chief and (reason := self._opened.best.why_none({**row, **figures})) is not None:
            self._display.say(reason)
        return figures

    def measure(self, run: StageRun, state: State, row: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Measure the backbone, and keep it if it is the best, as ``state`` then says.

        Parameters
        ----------
        run : StageRun
            Which trains it. All workers read its weights; only the chief measures.
        state : State
            Where the run is.
        row : mapping, optional
            Figures of the training of an epoch that has ended, which may decide on the best as well.
        """
        self._snapshot.take(run.backbone_weights())
        opened = self._opened
        if not opened.is_chief:
            return {}
        figures: dict[str, float] = {}
        for evaluation in opened.evaluations:
            self._display.begin(f"evaluate {evaluation.name}", 0, 0)
            with located(f"evaluate.sets.{evaluation.name}"):
                measured = evaluation.measure(self._snapshot, self._display.progress)
            figures |= {f"{evaluation.name}.{name}": value for name, value in measured.items()}
        where = {"epoch": state.epoch_of_run + 1, "step": self._steps_of(state)}
        better = opened.best.better({**(row or {}), **figures}, where, state.best)
        if better is not None:
            write_best(opened.folder.path, self._snapshot.network.save, self._snapshot.preprocessing, better)
            state.best = better
        return figures

    def _steps_of(self, state: State) -> int:
        return state.step_of_run(self._opened.pipeline.steps_per_epoch)
