"""How the command lines of these packages end, where they print results, and how they show progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "fail", "progress_bar", "run"]

# The base of typer's errors about arguments, from whichever click it runs on: click itself or its own copy.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def run(app: typer.Typer, program: str, bad_input: tuple[type[Exception], ...]) -> NoReturn:
    """Run a command line; bad input gives exit code 2 and one line on standard error.

    Parameters
    ----------
    app : typer.Typer
        The commands.
    program : str
        Its name, with which the line begins.
    bad_input : tuple of exception types
        What commands raise for input that cannot be right; others are faults, with a traceback.
    """
    try:
        sys.exit(app(standalone_mode=False))
    except bad_input as error:
        fail(program, str(error))
    except UsageError as error:
        fail(program, error.format_message())  # type: ignore[attr-defined]
    except OSError as error:
        fail(program, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)


def fail(program: str, message: str) -> NoReturn:
    """End with one line, or with the help that a call without arguments is answered with."""
    is_help = message.lstrip().startswith("Usage:")
    print(message if is_help else f"{program}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def console() -> Console:
    """Return the console of results: standard output, 110 columns wide where it is not a terminal."""
    from rich.console import Console

    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=110)


@contextmanager
def progress_bar(task: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on standard error: a bar with rate and time left on a terminal, lines in a log."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, task)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(task, total=None)

        def update(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield update


def _lines(console: Console, task: str) -> Callable[[int, int], None]:
    """Return a callback that prints a line at every tenth of the work."""
    printed = -1

    def update(done: int, total: int) -> None:
        nonlocal printed
        tenth = 10 * done // total
        if tenth > printed:
            printed = tenth
            console.print(f"{task}: {done} of {total}", highlight=False)

    return update
