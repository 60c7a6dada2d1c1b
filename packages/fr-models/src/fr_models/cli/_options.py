"""Options and steps that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fr_eval.embedders import Preprocessing

EmbeddingDim = Annotated[int, typer.Option("--embedding-dim", help="Numbers of an embedding.")]
HeadKind = Annotated[str, typer.Option("--head", help="E, F, G, H, I, J, Z, GAP, GDC or GNAP.")]
Scale = Annotated[float | None, typer.Option("--scale", help="input = (pixel - offset) * scale.")]
Offset = Annotated[float | None, typer.Option("--offset", help="input = (pixel - offset) * scale.")]
Colour = Annotated[str | None, typer.Option("--colour", help="RGB or BGR.")]


def quiet() -> None:
    """Keep TensorFlow from writing about the machine when it is imported."""
    import os

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


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
