"""``fr-export check``: what exported files lost, on faces and pairs of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import progress_bar, quiet_tensorflow

from fr_export._labels import labels
from fr_export.cli._console import warn
from fr_export.cli._parity_report import print_formats, print_parity


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    source: Annotated[Path, typer.Argument(help="The model before: .keras, .onnx, .tflite or a SavedModel.")],
    exported: Annotated[list[Path], typer.Argument(help="The same after, in other forms.")],
    images: Annotated[Path, typer.Option("--images", help="The folder that the pairs' names are below.")],
    pairs: Annotated[
        Path, typer.Option("--pairs", help="LFW's pairs.txt, or lines '1|0 image image', both kinds mixed.")
    ],
    min_cosine: Annotated[
        float, typer.Option("--min-cosine", help="The least cosine to the source that an image may have.")
    ] = 0.99,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for parity.json and parity.png.")
    ] = None,
) -> None:
    """Compare EXPORTED files with SOURCE: embeddings of each image, and verification before and after.

    Ends with exit code 1 if an image's cosine is below --min-cosine. A run that was killed goes on where it
    was, if it was given -o.
    """
    from fr_export.bench import SUFFIXES
    from fr_export.parity_check import check as check_exported
    from fr_export.parity_check import checked_test

    if not all(model.suffix in SUFFIXES for model in (source, *exported)):
        checked_test(source, exported, images, pairs, min_cosine, output)
        quiet_tensorflow()
    untimed: list[str] = []
    with progress_bar("embed") as progress:
        result = check_exported(
            source,
            exported,
            images,
            pairs,
            min_cosine,
            output,
            progress,
            failed=lambda error: untimed.append(str(error)),
        )
    for message in untimed:
        warn(f"not timed: {message}")
    parities = {row.path: row.parity for row in result.exported}
    for path, name in labels(exported).items():
        print_parity(name, parities[path], min_cosine)
    if result.warning:
        warn(result.warning)
    if len(result.exported) > 1:
        print_formats(result.source, result.exported)
    if not result.passed:
        raise typer.Exit(1)
