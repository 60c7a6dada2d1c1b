"""``fr-eval embed``: a folder of images to an embedding set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._models import Colour, Flip, Model, Offset, Scale, Size
from fr_eval.cli._options import JsonFile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(embed)


def embed(
    folder: Annotated[Path, typer.Argument(help="Images, one subfolder an identity.")],
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="The embedding set to write (.npz).")],
    flip: Flip = False,
    size: Size = None,
    scale: Scale = None,
    offset: Offset = None,
    colour: Colour = None,
    json_path: JsonFile = None,
) -> None:
    """Embed every image below a folder. A run that was interrupted goes on where it was."""
    from fr_eval.cli._models import open_embedder
    from fr_eval.command_line import console, progress_bar, stoppable
    from fr_eval.embed import describe_embedder, embed_folder
    from fr_eval.errors import InputError
    from fr_eval.provenance import provenance, write_json

    if output.suffix != ".npz":
        raise InputError(f"--output: expected a .npz file, got {output}")
    with stoppable("fr-eval", output.with_name(f"{output.name}.partial")):
        embedder = open_embedder(model, size, scale, offset, colour)
        with progress_bar("embed") as progress:
            result = embed_folder(folder, embedder, output, flip=flip, progress=progress)
    n_images, dim = result.embeddings.shape
    n_identities = len(set(result.labels.tolist())) if result.labels is not None else 0
    console().print(f"{n_images:,} images of {n_identities:,} identities, {dim} dimensions: {output}")
    if json_path is not None:
        figures = {"task": "embed", "n_images": n_images, "n_identities": n_identities, "dimensions": dim}
        settings = {"flip": flip, **describe_embedder(embedder)}
        write_json(json_path, {**figures, **provenance({"model": model, "output": output}, settings)})
