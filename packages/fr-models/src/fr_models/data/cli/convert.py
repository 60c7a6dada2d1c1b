"""``fr-data convert``: a dataset in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar

from fr_models.data.cli._options import DataPath


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    data: DataPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder; for npz a new .npz file.")],
    to: Annotated[str, typer.Option("--to", help="folders, recordio, tfrecord or npz.")],
) -> None:
    """Write a dataset in another format, read it again and compare every image.

    A conversion that was interrupted goes on where it was.
    """
    from fr_models.data.convert import convert_dataset
    from fr_models.data.formats import open_dataset

    dataset = open_dataset(data)
    with progress_bar("convert") as progress:
        done = convert_dataset(dataset, output, to, progress)
    out = console()
    out.print(f"{done.images:,} images of {done.classes:,} classes: {output}", soft_wrap=True, markup=False)
    if done.embeddings is not None:
        out.print(f"with their embeddings: {done.embeddings}", soft_wrap=True, markup=False)
    out.print(f"SHA-256 {done.sha256}, the same when read again")
