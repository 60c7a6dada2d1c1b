"""The command line: one file a command; heavy imports happen inside the commands."""

from __future__ import annotations

import typer
from fr_eval.command_line import run
from fr_eval.errors import InputError, MissingExtraError

from fr_export.cli import bench, check, onnx, savedmodel, sweep, tflite

__all__ = ["app", "main"]

app = typer.Typer(
    help="Face-recognition models as files for other runtimes: TFLite, ONNX and SavedModel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (tflite, onnx, savedmodel, check, bench, sweep):
    command.register(app)


def main() -> None:
    """Run the command line; bad input gives exit code 2 and one line on standard error."""
    run(app, "fr-export", (InputError, MissingExtraError))
