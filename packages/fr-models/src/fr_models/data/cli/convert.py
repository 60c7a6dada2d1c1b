"""``fr-data convert``: a dataset in another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar, stoppable

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

    One that was interrupted goes on where it was. Every image or record that cannot be read, or is neither
    JPEG nor PNG, is named. Images are copied byte by byte and not decoded: fr-data check finds damaged ones.
    """
    from fr_models.data.convert import UnreadableImages, convert_dataset, unfinished
    from fr_models.data.formats import open_damaged

    with stoppable("fr-data", unfinished(output, to)):
        dataset = open_damaged(data)
        try:
            with progress_bar("convert") as progress:
                done = convert_dataset(dataset, output, to, progress)
        except UnreadableImages as unreadable:
            for fault in unreadable.faults:
                print(fault, file=sys.stderr)
            raise
    out = console()
    out.print(f"{done.images:,} images of {done.classes:,} classes: {output}", soft_wrap=True)
    if done.embeddings is not None:
        out.print(f"with their embeddings: {done.embeddings}", soft_wrap=True)
    out.print(f"SHA-256 {done.sha256}, the same when read again")
