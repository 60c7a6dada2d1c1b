"""``fr-export onnx``: an ``.onnx`` file with its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_export._files import checked_path
from fr_export._limits import OPSETS
from fr_export.cli._options import (
    Colour,
    FlipSum,
    Model,
    OutputType,
    Pixels,
    Resize,
    Uint8Input,
    Wrapping,
    opened,
    report,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(onnx)


def onnx(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .onnx file to write.")],
    opset: Annotated[
        int,
        typer.Option(
            "--opset",
            help=f"Version of the operations, {OPSETS[0]} to {OPSETS[-1]}.",
            min=OPSETS[0],
            max=OPSETS[-1],
        ),
    ] = 17,
    pixels: Pixels = False,
    uint8_input: Uint8Input = False,
    resize: Resize = None,
    colour: Colour = None,
    flip_sum: FlipSum = False,
    output_dtype: OutputType = None,
) -> None:
    """Write MODEL as an ONNX file of a free batch, run and compared, with its preprocessing beside it."""
    checked_path(output, ".onnx")
    source = opened(model, Wrapping(pixels, uint8_input, resize, colour, flip_sum, output_dtype))
    from fr_export.onnx import to_onnx

    report(to_onnx(source, output, opset))
