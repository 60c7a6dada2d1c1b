"""Where a run is, and what it has found so far: all that a checkpoint holds besides variables."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from fr_models._settings import a_mapping, number, under, whole, with_key
from fr_models.train.history import History

__all__ = ["State"]

COUNTS = ("stage", "epoch", "step", "epochs_before")


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
    def from_record(cls, record: Any) -> State:
        """Build from `to_record`.

        Raises
        ------
        ValueError
            If it is not as that returns it.
        """
        with under("state"):
            try:
                given = a_mapping(record)
                state = cls(**{**given, "history": History(**a_mapping(given.get("history")))})
            except TypeError as error:
                raise ValueError(f"expected the counts and the history of a run: {error}") from None
            for name in COUNTS:
                with_key(name, whole(0), getattr(state, name))
            for name in ("waiting", "computing"):
                with_key(name, number(0), getattr(state, name))
            state._expect_rows()
        return state

    def _expect_rows(self) -> None:
        """Expect the row of each epoch that is done, with what counts go on from."""
        for place, row in enumerate(self.history.rows):
            for name in ("epoch", "stage", "skipped_steps"):
                with_key(f"history.rows.{place}.{name}", whole(0), row.get(name))
        found = [row["epoch"] for row in self.history.rows]
        if found != list(range(1, self.epoch_of_run + 1)):
            raise ValueError(f"history.rows: expected epochs 1 to {self.epoch_of_run}, got {found}")
