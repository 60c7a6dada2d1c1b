"""How the command lines of these packages end, and where they print results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "fail", "run"]

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
