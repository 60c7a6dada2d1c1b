"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from fr_models.cli import convert, describe, list_models, summary

__all__ = ["app", "main"]

app = typer.Typer(
    help="Face-recognition models for TensorFlow: what there is, and weights from other formats.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (list_models, describe, convert, summary):
    command.register(app)


# The base of typer's errors about arguments, from whichever click it runs on: click itself or its own copy.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    try:
        sys.exit(app(standalone_mode=False))
    except (ValueError, ImportError) as error:
        _fail(str(error))
    except UsageError as error:
        _fail(error.format_message())  # type: ignore[attr-defined]
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("fr-models: interrupted", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    """End with one line, or with the help that a call without arguments is answered with."""
    is_help = message.lstrip().startswith("Usage:")
    print(message if is_help else f"fr-models: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
