"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer
from fr_eval.command_line import run

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


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    run(app, "fr-models", (ValueError, ImportError))
