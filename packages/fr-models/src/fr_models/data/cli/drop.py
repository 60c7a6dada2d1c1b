"""``fr-data drop``: sub-center cleaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, stoppable

from fr_models.data.cli._options import CsvFile, DataPath, JsonFile, expect_apart, new_file


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(drop)


def drop(
    data: DataPath,
    centers: Annotated[
        Path,
        typer.Option("--centers", help="Class matrix [classes * K, D] of a sub-center head: .npy or .npz."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The selection (.npz) to write.")],
    degrees: Annotated[
        float, typer.Option("--degrees", help="Images farther from the dominant sub-center are dropped.")
    ] = 75.0,
    json_path: JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Drop the images that are far from the dominant sub-center of their class.

    DATA has embeddings, of the network whose class matrix this is: a .npy file that fr-data distill writes.
    """
    from fr_eval.files import write_text
    from fr_eval.provenance import write_json

    from fr_models.data.drop import clean_by_sub_centers, read_class_matrix
    from fr_models.data.formats import open_dataset
    from fr_models.data.selection import write_selection

    new_file(output, ".npz", "--output")
    dataset = open_dataset(data)
    expect_apart(dataset, data, output, json_path, csv)
    if dataset.embeddings is None:
        raise ValueError(
            f"{data}: no embeddings: fr-data distill {data} --model MODEL -o NAME.npy makes them"
        )
    matrix = read_class_matrix(centers)
    with stoppable("fr-data"):
        cleaning = clean_by_sub_centers(dataset, dataset.embeddings, matrix, degrees)
    write_selection(output, cleaning.selection(dataset), data)
    console().print(f"{cleaning}: {output}", soft_wrap=True)
    if json_path is not None:
        write_json(json_path, cleaning.to_json())
    if csv is not None:
        write_text(csv, cleaning.to_frame().to_csv(index=False))
