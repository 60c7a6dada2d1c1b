"""``fr-export sweep``: a grid of models, heads and dimensions, built, converted, timed and tabled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console, progress_bar, quiet_tensorflow

from fr_export._builders import find_builders
from fr_export.cli._console import exit_if_failed, plain_table, switches, whole_numbers, words
from fr_export.kinds import check_kind


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    names: Annotated[list[str], typer.Argument(help="Models of fr-models: 'fr-models list' names them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    heads: Annotated[str, typer.Option("--heads", help="Heads, such as E,GDC.")] = "GDC",
    dims: Annotated[str, typer.Option("--dims", help="Dimensions of the embedding.")] = "512",
    pointwise: Annotated[
        str, typer.Option("--pointwise", help="Without (0) and with (1) a 1x1 convolution before the head.")
    ] = "0",
    kinds: Annotated[str, typer.Option("--kinds", help="As of fr-export tflite --kind.")] = "float16",
    threads: Annotated[str, typer.Option("--threads", help="Numbers of threads.")] = "1",
    runs: Annotated[int, typer.Option("--runs", help="Timed runs of each.", min=1)] = 50,
) -> None:
    """Build, convert and time every combination; a run that was killed goes on where it was.

    Writes sweep.md, sweep.csv and sweep.png of all finished rows of the folder anew after each model, and the
    TFLite files to DIR/models. A folder with rows of other kinds, threads or runs is refused. Ends with exit
    code 1 if some of them failed, each with a line on standard error.
    """
    grid = words(heads, "--heads"), whole_numbers(dims, "--dims"), switches(pointwise, "--pointwise")
    files = words(kinds, "--kinds"), whole_numbers(threads, "--threads")
    for kind in files[0]:
        check_kind(kind, "kinds")
    names = list(dict.fromkeys(names))
    find_builders(names, grid[0])
    quiet_tensorflow()
    from fr_export.sweep import sweep as run_sweep
    from fr_export.sweep_report import COLUMNS, cells, write_tables

    failures: list[str] = []
    with progress_bar("sweep") as progress:
        rows = run_sweep(
            names,
            output,
            *grid,
            *files,
            runs,
            progress,
            measured=lambda rows: write_tables(rows, output),
            failed=lambda error: failures.append(str(error)),
        )
    table = plain_table(*COLUMNS, left=2)
    for row in rows:
        table.add_row(*cells(row))
    if rows:
        console().print(table)
    exit_if_failed(failures, some=bool(rows))
