"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import sys

import typer

from fr_eval.cli import bin as bin_commands
from fr_eval.cli import compare, demo, embed, identify, ijb, verify
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Benchmark face recognition: verification (1:1) and open-set identification (1:N).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (embed, verify, bin_commands, ijb, identify, compare, demo):
    command.register(app)


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    try:
        app()
    except (InputError, MissingExtraError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"fr-eval: {message}", file=sys.stderr)
        sys.exit(2)
