"""Tables of results, and lists in options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from fr_eval.errors import InputError

from fr_export._labels import labels

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


def exit_if_failed(failures: Sequence[str], some: bool) -> None:
    """End, if anything failed, with a line for each; exit code 1 if some work is done, 2 if none is."""
    for message in failures:
        print(f"fr-export: {' '.join(message.split())}", file=sys.stderr)
    if failures:
        raise typer.Exit(1 if some else 2)


def warn(message: str) -> None:
    """Print a warning on standard error, on one line."""
    print(f"fr-export: warning: {' '.join(message.split())}", file=sys.stderr)


def plain_table(*columns: str, left: int = 1) -> Table:
    """Return a table with a rule under its headings; the first `left` columns hold words."""
    from fr_eval import tables

    table = tables.plain_table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < left else "right", overflow="fold")
    return table


def timings_table(timings: Sequence[Timing]) -> Table:
    """Return a table of timings, in their order."""
    columns = (
        "model",
        "kind",
        "runtime",
        "device",
        "threads",
        "runs",
        "MB",
        "median ms",
        "p90 ms",
        "mean ms",
    )
    table = plain_table(*columns, left=4)
    names = labels(timing.path for timing in timings)
    for timing in timings:
        table.add_row(
            names[timing.path],
            timing.kind,
            timing.runtime,
            timing.device,
            str(timing.threads),
            str(timing.runs),
            f"{timing.size_bytes / 1e6:.3f}",
            *("-" if ms is None else f"{ms:.2f}" for ms in (timing.median_ms, timing.p90_ms, timing.mean_ms)),
        )
    return table
