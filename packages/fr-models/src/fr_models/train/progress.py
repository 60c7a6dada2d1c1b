"""What a person sees of a run: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["Display", "epoch_line"]

SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_READINGS = 1.0

Figures = Callable[[], Mapping[str, Any]]


class Display:
    """Shows one piece of work at a time, on standard error.

    Figures are asked for rarely: to read a metric waits for the device.

    Parameters
    ----------
    quiet : bool
        Whether nothing is shown, as by all workers but the first.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False, quiet=quiet)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None

    def begin(self, what: str, done: int, total: int) -> None:
        """Show a new piece of work, of which ``done`` of ``total`` steps are done."""
        self.end()
        self._what, self._total, self._first = what, total, done
        self._began = self._read = self._said = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task(what, total=total, completed=done, figures="")

    def advance(self, done: int, figures: Figures) -> None:
        """Show that ``done`` steps are done, and now and then figures."""
        now = time.monotonic()
        if self.console.is_terminal:
            if now - self._read >= SECONDS_BETWEEN_READINGS and self._task is not None:
                self._read = now
                self._bar.update(self._task, completed=done, figures=self._text(figures(), done, now))
        elif now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            self.say(f"{self._what}: {done} of {self._total}  {self._text(figures(), done, now)}")

    def progress(self, done: int, total: int) -> None:
        """Show work whose size is known only when it is going on."""
        self._total = total
        if self._task is not None:
            self._bar.update(self._task, total=total)
        self.advance(done, dict)

    @contextmanager
    def work(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a piece of work that calls what it is given: with what is done, and with how much there is."""
        self.begin(what, 0, 0)
        try:
            yield self.progress
        finally:
            self.end()

    def end(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self.console.print(line, soft_wrap=True)

    def _text(self, figures: Mapping[str, Any], done: int, now: float) -> str:
        rate = (done - self._first) / max(now - self._began, 1e-9)
        return "  ".join([*_shown(figures), f"{rate:.3g}/s"])


def epoch_line(row: Mapping[str, Any]) -> str:
    """Return what is said of an epoch."""
    figures = {name: value for name, value in row.items() if name not in ("epoch", "stage")}
    return f"epoch {row['epoch']} (stage {row['stage']}): {', '.join(_shown(figures))}"


def _shown(figures: Mapping[str, Any]) -> list[str]:
    """Write figures with four digits; of one that is nan, as the loss where no step was finite, a dash."""
    numbers = {name: value for name, value in figures.items() if isinstance(value, int | float)}
    return [f"{name} {'-' if math.isnan(value) else f'{value:.4g}'}" for name, value in numbers.items()]
