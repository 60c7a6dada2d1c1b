"""Where a run is, and what it has found so far: all that a checkpoint holds besides variables."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from fr_models.train.history import History

__all__ = ["State"]


@dataclass
class State:
    """Counts from 0 on of what is done, and what it gave.

    Attributes
    ----------
    stage : int
        The one that is trained.
    epoch : int
        Whole epochs of the stage.
    step : int
        Steps of the epoch.
    waiting, computing : float
        Seconds of the epoch so far, of a `fr_models.data.InputClock`.
    epochs_before : int
        Of all stages before.
    best : dict, optional
        The ``metric``, ``value``, ``epoch`` and ``step`` of the best model.
    history : History
        Rows of the epochs.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    waiting: float = 0.0
    computing: float = 0.0
    epochs_before: int = 0
    best: dict[str, Any] | None = None
    history: History = field(default_factory=History)

    @property
    def epoch_of_run(self) -> int:
        """Whole epochs of the run."""
        return self.epochs_before + self.epoch

    def step_of_run(self, steps_per_epoch: int) -> int:
        """Count the steps of the run."""
        return self.epoch_of_run * steps_per_epoch + self.step

    def end_epoch(self) -> None:
        """Go to the next epoch of the stage."""
        self.epoch += 1
        self.step, self.waiting, self.computing = 0, 0.0, 0.0

    def end_stage(self) -> None:
        """Go to the next stage."""
        self.epochs_before += self.epoch
        self.stage += 1
        self.epoch = self.step = 0

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        counts = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**counts, "history": self.history.to_record()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> State:
        """Build from `to_record`."""
        return cls(**{**record, "history": History(**record["history"])})
