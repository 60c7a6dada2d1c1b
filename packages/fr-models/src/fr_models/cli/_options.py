"""Options and steps that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fr_eval.embedders import Preprocessing

EmbeddingDim = Annotated[int, typer.Option("--embedding-dim", help="Numbers of an embedding.")]
HeadKind = Annotated[str, typer.Option("--head", help="E, F, G, H, I, J, Z, GAP, GDC or GNAP.")]
InputSize = Annotated[int, typer.Option("--input-size", help="Pixels of height and of width.")]
Activation = Annotated[str | None, typer.Option("--activation", help="prelu, or one of Keras by name.")]
UseSe = Annotated[bool | None, typer.Option("--use-se/--no-use-se", help="With squeeze-and-excitation.")]
Pointwise = Annotated[int, typer.Option("--pointwise", help="Channels of a 1x1 convolution before the head.")]
Padding = Annotated[str | None, typer.Option("--padding", help="same, explicit or trailing.")]
BnEpsilon = Annotated[float | None, typer.Option("--bn-epsilon", help="Of batch normalisation.")]
Scale = Annotated[float | None, typer.Option("--scale", help="input = (pixel - offset) * scale.")]
Offset = Annotated[float | None, typer.Option("--offset", help="input = (pixel - offset) * scale.")]
Colour = Annotated[str | None, typer.Option("--colour", help="RGB or BGR.")]


def preprocessing_of(
    source: Path, size: tuple[int, int], scale: float | None, offset: float | None, colour: str | None
) -> Preprocessing:
    """Read preprocessing from the options, or from the file beside the source; it is never guessed."""
    from fr_eval.embedders import Preprocessing

    given = {"--scale": scale, "--offset": offset, "--colour": colour}
    missing = [name for name, value in given.items() if value is None]
    if scale is not None and offset is not None and colour is not None:
        return Preprocessing(size, scale, offset, colour)
    if len(missing) < len(given):
        raise ValueError(f"preprocessing: {', '.join(missing)} missing, expected all three options or none")
    sidecar = source.with_suffix(".json")
    if not sidecar.is_file():
        raise ValueError(
            f"{source}: its preprocessing is unknown: write {sidecar.name} beside it or give --scale, "
            "--offset and --colour"
        )
    return Preprocessing.beside(source)
