"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from fr_eval.cli import allpairs, compare, demo, embed, identify, ijb, verify
from fr_eval.cli import bin as bin_commands
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Benchmark face recognition: verification (1:1) and open-set identification (1:N).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (embed, verify, allpairs, bin_commands, ijb, identify, compare, demo):
    command.register(app)


# The base of typer's errors about arguments, from whichever click it runs on: click itself or its own copy.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    _check_environment()
    try:
        sys.exit(app(standalone_mode=False))
    except (InputError, MissingExtraError) as error:
        _fail(str(error))
    except UsageError as error:
        _fail(error.format_message())  # type: ignore[attr-defined]
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("fr-eval: interrupted", file=sys.stderr)
        sys.exit(130)


def _check_environment() -> None:
    """End with one line if ``FR_NATIVE_ISA`` or ``FR_NUM_THREADS`` says what fr-native cannot do."""
    import fr_native
    import numpy as np

    try:
        fr_native.isa()
        fr_native.sort_scores(np.zeros(1, np.float32))
    except ValueError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    """End with one line, or with the help that a call without arguments is answered with."""
    is_help = message.lstrip().startswith("Usage:")
    print(message if is_help else f"fr-eval: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
