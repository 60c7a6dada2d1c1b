"""How the command lines of these packages end, where they print results, and how they show progress."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import typer

from fr_eval.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "INTERRUPTED",
    "Progress",
    "console",
    "fail",
    "muted_standard_error",
    "progress_bar",
    "quiet_tensorflow",
    "run",
    "stoppable",
]

# The base of typer's errors about arguments, from whichever click it runs on: click itself or its own copy.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

INTERRUPTED = 130


def run(app: typer.Typer, program: str, bad_input: tuple[type[Exception], ...]) -> NoReturn:
    """Run a command line; bad input gives exit code 2 and one line on standard error.

    Parameters
    ----------
    app : typer.Typer
        The commands.
    program : str
        Its name, with which the line begins.
    bad_input : tuple of exception types
        What commands raise for input that cannot be right, of a `ParameterError` with the option's name;
        others are faults, with a traceback.
    """
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # typer has caught it
            raise KeyboardInterrupt
        sys.exit(status)
    except bad_input as error:
        fail(program, error.of_option if isinstance(error, ParameterError) else str(error))
    except UsageError as error:
        fail(program, error.format_message())  # type: ignore[attr-defined]
    except OSError as error:
        fail(program, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def fail(program: str, message: str) -> NoReturn:
    """End with one line, or with the help that a call without arguments is answered with."""
    is_help = message.lstrip().startswith("Usage:")
    print(message if is_help else f"{program}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def console() -> Console:
    """Return the console of results: standard output, 110 columns wide where it is not a terminal.

    What is printed there, tables too, is text as it stands: brackets in a file's name are no markup.
    """
    out = _plain_console()
    return out if out.is_terminal else _plain_console(width=110)


class Progress(Protocol):
    """What shows how far a command is."""

    def __call__(self, done: int, total: int, name: str = "") -> None:
        """Show the number of steps done, in all, and the name of the one that begins."""


@contextmanager
def progress_bar(task: str) -> Iterator[Progress]:
    """Show progress on standard error: a bar with rate and time left on a terminal, lines in a log."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    console = _plain_console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, task)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task(task, total=None)

        def update(done: int, total: int, name: str = "") -> None:
            bars.update(bar, completed=done, total=total, description=f"{task} {name}".rstrip())

        yield update


@contextmanager
def stoppable(program: str, work: Path | None = None) -> Iterator[None]:
    """End with one line at Ctrl-C and at the signal to terminate, and say which work goes on.

    It stops at once: unfinished work outlives kills, too.
    """

    def terminate(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        kept = f"; the same command goes on with {work}" if work is not None and work.exists() else ""
        print(f"{program}: interrupted{kept}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(stop, KeyboardInterrupt) else stop.code)
    finally:
        signal.signal(signal.SIGTERM, before)


def quiet_tensorflow() -> None:
    """Import TensorFlow without what it writes about the machine, part of it before any setting counts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules:
        with muted_standard_error():
            import tensorflow  # noqa: F401


@contextmanager
def muted_standard_error() -> Iterator[None]:
    """Drop what is written to standard error, by C++ too, which no setting of Python holds back."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _plain_console(**options: Any) -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)


def _lines(console: Console, task: str) -> Progress:
    """Return a callback that prints a line at every tenth of the work, and of each new part of it."""
    printed = (-1, 0)

    def update(done: int, total: int, name: str = "") -> None:
        nonlocal printed
        step = (10 * done // total, total)
        if step != printed:
            printed = step
            console.print(f"{task}: {done} of {total} {name}".rstrip(), soft_wrap=True)

    return update
