"""``fr-train``: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer
from fr_eval import command_line

from fr_models.train.cli import demo, export_best, recipes, resume, run

__all__ = ["app", "main"]

app = typer.Typer(
    help="Train face recognition by recipe; a run that was killed goes on to the same numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, resume, export_best, recipes, demo):
    command.register(app)


def main() -> None:
    """Run the command line; bad input or a run that diverges gives exit code 2 and one line on stderr."""
    command_line.run(app, "fr-train", (ValueError, ImportError, ArithmeticError))
