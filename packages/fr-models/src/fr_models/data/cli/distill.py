"""``fr-data distill``: a teacher's embeddings beside the images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.cli._models import Colour, Flip, Model, Offset, Scale, Size
from fr_eval.command_line import console, progress_bar, stoppable

from fr_models.data.cli._options import DataPath, expect_apart, new_file


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(distill)


def distill(
    data: DataPath,
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The embeddings to write (.npy).")],
    flip: Flip = False,
    size: Size = None,
    scale: Scale = None,
    offset: Offset = None,
    colour: Colour = None,
) -> None:
    """Embed every image of a dataset; the .npy file is then the dataset with these embeddings.

    A run that was interrupted goes on where it was.
    """
    from fr_eval.cli._models import open_embedder

    from fr_models.data.distillation import embed_dataset
    from fr_models.data.formats import open_dataset

    new_file(output, ".npy", "--output")
    with stoppable("fr-data", output.with_name(f"{output.name}.partial")):
        dataset = open_dataset(data)
        expect_apart(dataset, data, output)
        embedder = open_embedder(model, size, scale, offset, colour)
        with progress_bar("distill") as progress:
            embed_dataset(dataset, data, embedder, output, flip, progress)
    console().print(f"{len(dataset):,} embeddings: {output}", soft_wrap=True)
