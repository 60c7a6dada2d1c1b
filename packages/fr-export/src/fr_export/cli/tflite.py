"""``fr-export tflite``: a ``.tflite`` file with its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_export._files import checked_path
from fr_export.cli._options import (
    Colour,
    Count,
    FlipSum,
    Images,
    Model,
    OutputType,
    Pixels,
    Representative,
    Resize,
    Uint8Input,
    Wrapping,
    calibration,
    check_calibration,
    opened,
    report,
)
from fr_export.kinds import check_options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tflite)


def tflite(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .tflite file to write.")],
    kind: Annotated[
        str, typer.Option("--kind", help="float32, dynamic, float16, int8 or int16x8.")
    ] = "float32",
    representative: Representative = None,
    images: Images = None,
    count: Count = 200,
    io: Annotated[
        str, typer.Option("--io", help="In and out of int8 files: float, int8 or uint8.")
    ] = "float",
    float_head: Annotated[
        bool,
        typer.Option("--float-head", help="int8, int16x8: what follows the last feature map stays in float."),
    ] = False,
    pixels: Pixels = False,
    uint8_input: Uint8Input = False,
    resize: Resize = None,
    colour: Colour = None,
    flip_sum: FlipSum = False,
    output_dtype: OutputType = None,
) -> None:
    """Write MODEL as a TFLite file, run and compared, with its preprocessing beside it."""
    checked_path(output, ".tflite")
    check_options(kind, io, representative is not None, float_head)
    check_calibration(representative, images)
    source = opened(model, Wrapping(pixels, uint8_input, resize, colour, flip_sum, output_dtype))
    crops = calibration(source, representative, images, count)
    from fr_export.tflite import to_tflite

    report(to_tflite(source, output, kind, representative=crops, io=io, float_head=float_head))
