"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from fr_eval.cli import allpairs, compare, demo, embed, identify, ijb, verify
from fr_eval.cli import bin as bin_commands
from fr_eval.command_line import fail, run
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


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    _check_environment()
    run(app, "fr-eval", (InputError, MissingExtraError))


def _check_environment() -> None:
    """End with one line if ``FR_NATIVE_ISA`` or ``FR_NUM_THREADS`` says what fr-native cannot do."""
    import fr_native
    import numpy as np

    try:
        fr_native.isa()
        fr_native.sort_scores(np.zeros(1, np.float32))
    except ValueError as error:
        fail("fr-eval", str(error))
