"""``fr-data check``: what is wrong with a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar, stoppable

from fr_models.data.cli._options import CsvFile, DataPath, JsonFile, expect_apart, given_as, new_file

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
        str,
        typer.Option(
            "--without",
            help="Kinds of problems whose images --select leaves out; few_images: these classes, too.",
        ),
    ] = "corrupt,unreadable,label",
    select: Annotated[
        Path | None, typer.Option("--select", help="Write a selection (.npz) of the images that are left.")
    ] = None,
    json_path: JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Decode every image, and list corrupt and unreadable ones, duplicates, wrong labels and small classes.

    Nothing is changed. The exit code is 0 whatever is found. A check that was killed goes on where it was,
    with any options: until all is written, what is finished lies in NAME.check.partial, where NAME is that of
    the data, beside the first of --select, --csv and --json; without these, nothing is kept. It is refused if
    the images have changed since.
    """
    from fr_eval.files import write_text
    from fr_eval.provenance import write_json

    from fr_models.data.check import check_dataset, checked_kinds, forget
    from fr_models.data.distillation import DistillationDataset
    from fr_models.data.formats import open_damaged
    from fr_models.data.selection import Selection, write_selection

    if select is not None:
        new_file(select, ".npz", "--select")
    with given_as("without", "kinds"):
        kinds = checked_kinds(kind.strip() for kind in without.split(","))
    partial, out = _partial(data, select, csv, json_path), console()
    with stoppable("fr-data", partial):
        dataset = open_damaged(data)
        expect_apart(dataset, data, select, csv, json_path)
        with progress_bar("check") as progress:
            report = check_dataset(dataset, least_side, least_images, progress, partial)
        if isinstance(dataset, DistillationDataset):
            if any(problem.kind in UNREAD for problem in report.problems):
                out.print("embeddings: not compared with the images, since some of these cannot be read")
            else:
                with progress_bar("embeddings") as progress:
                    dataset.verify(progress)
    for problem in report.problems[:SHOWN]:
        out.print(f"{problem.kind}: {problem.name}: {problem.detail}", soft_wrap=True)
    if len(report.problems) > SHOWN:
        out.print(f"and {len(report.problems) - SHOWN:,} more; --csv writes all")
    out.print(str(report), soft_wrap=True)
    if json_path is not None:
        write_json(json_path, report.to_json())
    if csv is not None:
        write_text(csv, report.to_frame().to_csv(index=False))
    if select is not None:
        rows = report.without(*kinds)
        selection = Selection(dataset, rows)
        write_selection(
            select, selection.without_empty_classes() if "few_images" in kinds else selection, data
        )
        out.print(f"{len(rows):,} images: {select}", soft_wrap=True)
    if partial is not None:
        forget(partial)


def _partial(data: Path, *outputs: Path | None) -> Path | None:
    """Return where finished work is kept: beside the first output that is asked for."""
    first = next((output for output in outputs if output is not None), None)
    return None if first is None else first.with_name(f"{data.resolve().name}.check.partial")
