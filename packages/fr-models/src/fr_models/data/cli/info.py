"""``fr-data info``: what a dataset holds."""

from __future__ import annotations

from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar, stoppable

from fr_models.data.cli._options import DataPath, JsonFile, expect_apart


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(info)


def info(
    data: DataPath,
    digest: Annotated[
        bool, typer.Option("--digest", help="Also the SHA-256 of all images, the same in every format.")
    ] = False,
    json_path: JsonFile = None,
) -> None:
    """Show format, images, classes and embeddings of a dataset."""
    import numpy as np
    from fr_eval.provenance import write_json
    from rich.table import Table

    from fr_models.data._digest import digest_of
    from fr_models.data.formats import format_of, open_dataset

    dataset = open_dataset(data)
    expect_apart(dataset, data, json_path)
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    facts = {
        "format": format_of(data)[0],
        "images": len(dataset),
        "classes": len(counts),
        "classes without images": int((counts == 0).sum()),
        "images a class, least": int(counts.min()),
        "images a class, median": float(np.median(counts)),
        "images a class, most": int(counts.max()),
        "dimensions of embeddings": None if dataset.embeddings is None else dataset.embeddings.shape[1],
        "first image": dataset.name(0),
    }
    if digest:
        with stoppable("fr-data"), progress_bar("read") as progress:
            facts["SHA-256"] = digest_of(dataset, progress)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value}")
    console().print(table)
    if json_path is not None:
        write_json(json_path, facts)
