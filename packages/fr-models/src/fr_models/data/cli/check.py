"""``fr-data check``: what is wrong with a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar

from fr_models.data.cli._options import CsvFile, DataPath, JsonFile, new_file

SHOWN = 20
UNREAD = ("truncated", "corrupt", "unreadable")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    data: DataPath,
    least_side: Annotated[
        int, typer.Option("--least-side", min=0, help="Pixels below which an image is tiny.")
    ] = 32,
    least_images: Annotated[
        int, typer.Option("--least-images", min=0, help="Images below which a class has few.")
    ] = 2,
    without: Annotated[
        str, typer.Option("--without", help="Kinds of problems whose images --select leaves out.")
    ] = "corrupt,unreadable,label",
    select: Annotated[
        Path | None, typer.Option("--select", help="Write a selection (.npz) of the images that are left.")
    ] = None,
    json_path: JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Decode every image, and list corrupt and unreadable ones, duplicates, wrong labels and small classes.

    Nothing is changed. The exit code is 0 whatever is found.
    """
    from fr_eval.files import write_text
    from fr_eval.provenance import write_json

    from fr_models.data.check import check_dataset, checked_kinds
    from fr_models.data.distillation import DistillationDataset
    from fr_models.data.formats import open_damaged
    from fr_models.data.selection import Selection, write_selection

    if select is not None:
        new_file(select, ".npz", "--select")
    kinds = checked_kinds(kind.strip() for kind in without.split(","))
    dataset = open_damaged(data)
    with progress_bar("check") as progress:
        report = check_dataset(dataset, least_side, least_images, progress)
    out = console()
    if isinstance(dataset, DistillationDataset):
        if any(problem.kind in UNREAD for problem in report.problems):
            out.print("embeddings: not compared with the images, since some of these cannot be read")
        else:
            with progress_bar("embeddings") as progress:
                dataset.verify(progress)
    for problem in report.problems[:SHOWN]:
        out.print(f"{problem.kind}: {problem.name}: {problem.detail}", soft_wrap=True, markup=False)
    if len(report.problems) > SHOWN:
        out.print(f"and {len(report.problems) - SHOWN:,} more; --csv writes all")
    out.print(str(report), soft_wrap=True, markup=False)
    if json_path is not None:
        write_json(json_path, report.to_json())
    if csv is not None:
        write_text(csv, report.to_frame().to_csv(index=False))
    if select is not None:
        rows = report.without(*kinds)
        write_selection(select, Selection(dataset, rows), data)
        out.print(f"{len(rows):,} images: {select}", soft_wrap=True, markup=False)
