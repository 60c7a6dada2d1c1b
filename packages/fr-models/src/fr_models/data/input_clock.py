"""Whether training is bound by its input: how long it waits for batches, and how long it computes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["InputClock"]

Batch = TypeVar("Batch")


class InputClock:
    """Measures the time to get batches against the time between them.

    Attributes
    ----------
    waiting : float
        Seconds, since the clock was made or reset, of waiting for batches.

    Examples
    --------
    >>> clock = InputClock()
    >>> sum(clock.batches([1, 2, 3]))
    6
    >>> 0.0 <= clock.share <= 1.0
    True
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.reset()

    def reset(self, waiting: float = 0.0, computing: float = 0.0) -> None:
        """Begin anew, as at the start of an epoch, or where another clock had come to."""
        self.waiting = waiting
        self._computed = computing
        self._given: float | None = None  # when computing began that goes on

    def batches(self, source: Iterable[Batch]) -> Iterator[Batch]:
        """Give the batches of a source; the time that the caller keeps each one counts as computing."""
        asked = self._now()
        for batch in source:
            self._given = self._now()
            self.waiting += self._given - asked
            yield batch
            asked = self._now()
            self._stop(asked)
        self.waiting += self._now() - asked

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count a block between batches, such as an evaluation, as neither."""
        self._stop(self._now())
        yield
        self._given = self._now()

    @property
    def computing(self) -> float:
        """Seconds between batches, with those that the present one has taken so far."""
        return self._computed + (0.0 if self._given is None else self._now() - self._given)

    def _stop(self, now: float) -> None:
        if self._given is not None:
            self._computed += now - self._given
        self._given = None

    @property
    def share(self) -> float:
        """Waiting as a share of all time; 0 before the first batch."""
        total = self.waiting + self.computing
        return self.waiting / total if total else 0.0

    def __str__(self) -> str:
        return f"bound by input {self.share:.0%}"
