"""The command line of datasets: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer
from fr_eval.command_line import run

from fr_models.data.cli import check, convert, distill, drop, info, split

__all__ = ["app", "main"]

app = typer.Typer(
    help="Images of people to train on: look at, check, convert, split and clean datasets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (info, check, convert, split, drop, distill):
    command.register(app)


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    run(app, "fr-data", (ValueError, ImportError))
