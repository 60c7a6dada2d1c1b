"""``fr-export savedmodel``: a folder for TensorFlow Serving."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_export._files import checked_folder
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
    app.command()(savedmodel)


def savedmodel(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    pixels: Pixels = False,
    uint8_input: Uint8Input = False,
    resize: Resize = None,
    colour: Colour = None,
    flip_sum: FlipSum = False,
    output_dtype: OutputType = None,
) -> None:
    """Write MODEL as a SavedModel, loaded and compared, with its preprocessing beside it."""
    checked_folder(output)
    source = opened(model, Wrapping(pixels, uint8_input, resize, colour, flip_sum, output_dtype))
    from fr_export.saved_model import to_saved_model

    report(to_saved_model(source, output))
