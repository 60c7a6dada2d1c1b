"""Options and steps of the commands that run a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fr_eval.errors import InputError, UnknownPreprocessingError

if TYPE_CHECKING:
    from fr_eval.embedders import Embedder

Model = Annotated[Path, typer.Option("--model", help="Network: .onnx, .tflite, .keras or a SavedModel.")]
Flip = Annotated[bool, typer.Option("--flip", help="Add the embedding of the mirror image.")]
Size = Annotated[int | None, typer.Option("--size", help="Crop size in pixels, if the model has no sidecar.")]
Scale = Annotated[float | None, typer.Option("--scale", help="input = (pixel - offset) * scale.")]
Offset = Annotated[float | None, typer.Option("--offset", help="input = (pixel - offset) * scale.")]
Colour = Annotated[str | None, typer.Option("--colour", help="RGB or BGR.")]


def open_embedder(
    model: Path, size: int | None, scale: float | None, offset: float | None, colour: str | None
) -> Embedder:
    """Load a network with the preprocessing of the options, or of its sidecar if none is given."""
    from fr_eval.embedders import Preprocessing, load_embedder

    given = {"--size": size, "--scale": scale, "--offset": offset, "--colour": colour}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        try:
            return load_embedder(model)
        except UnknownPreprocessingError as error:
            raise InputError(f"{error} or give --size, --scale, --offset and --colour") from None
    if size is None or scale is None or offset is None or colour is None:
        raise InputError(f"preprocessing: {', '.join(missing)} missing, expected all four options or none")
    return load_embedder(model, Preprocessing((size, size), scale, offset, colour))
