"""Tables of results, progress on standard error, and lists in options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from fr_eval.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from fr_export.bench import Timing


def words(text: str, what: str) -> tuple[str, ...]:
    """Parse a comma-separated list."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise InputError(f"{what}: expected words separated by commas, got {text!r}")
    return tuple(dict.fromkeys(parts))


def whole_numbers(text: str, what: str) -> tuple[int, ...]:
    """Parse a comma-separated list of whole numbers of 1 or more."""
    parts = words(text, what)
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"{what}: expected whole numbers of 1 or more separated by commas, got {text!r}")
    return tuple(int(part) for part in parts)


def switches(text: str, what: str) -> tuple[bool, ...]:
    """Parse ``0``, ``1`` or both, separated by a comma."""
    parts = words(text, what)
    if not set(parts) <= {"0", "1"}:
        raise InputError(f"{what}: expected 0, 1 or 0,1, got {text!r}")
    return tuple(part == "1" for part in parts)


def plain_table(*columns: str, left: int = 1) -> Table:
    """Return a table with a rule under its headings; the first `left` columns hold words."""
    from fr_eval import tables

    table = tables.plain_table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", overflow="fold")
    return table


def timings_table(timings: Iterable[Timing]) -> Table:
    """Return a table of timings, in their order."""
    columns = ("model", "kind", "runtime", "device", "threads", "MB", "median ms", "p90 ms", "mean ms")
    table = plain_table(*columns, left=4)
    for timing in timings:
        table.add_row(
            timing.path.name,
            timing.kind,
            timing.runtime,
            timing.device,
            str(timing.threads),
            f"{timing.size_bytes / 1e6:.3f}",
            *("-" if ms is None else f"{ms:.2f}" for ms in (timing.median_ms, timing.p90_ms, timing.mean_ms)),
        )
    return table


class Progress(Protocol):
    """What shows how far a command is."""

    def __call__(self, done: int, total: int, name: str = "") -> None:
        """Show the number of steps done, in all, and the name of the one that begins."""


@contextmanager
def progress_bar(task: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, a line at every tenth in a log."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(console.print, task)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console) as bars:
        bar = bars.add_task(task, total=None)

        def update(done: int, total: int, name: str = "") -> None:
            bars.update(bar, completed=done, total=total, description=f"{task} {name}".rstrip())

        yield update


def _lines(write: Callable[[str], None], task: str) -> Progress:
    printed = -1

    def update(done: int, total: int, name: str = "") -> None:
        nonlocal printed
        tenth = 10 * done // total
        if tenth > printed:
            printed = tenth
            write(f"{task}: {done} of {total} {name}".rstrip())

    return update
