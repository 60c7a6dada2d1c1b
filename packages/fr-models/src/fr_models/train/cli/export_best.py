"""``fr-train export-best``: the best model of a run, as a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-best")(export_best)


def export_best(
    folder: Annotated[Path, typer.Argument(help="The run folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .keras file to write.")],
) -> None:
    """Write the best model of a run with its preprocessing beside it: an embedder of fr-eval.

    A file there is replaced; a sidecar of another model is not.
    """
    from fr_eval.embedders import Preprocessing
    from fr_eval.model_files import written_with_sidecar

    from fr_models.train.best_files import read_best

    if output.suffix != ".keras":
        raise ValueError(f"--output: expected a .keras file, got {output}")
    model, record = read_best(folder)
    about = record.pop("about")
    preprocessing = Preprocessing.from_fields(record, f"{folder}: best.json")
    with written_with_sidecar(output, preprocessing, about) as temporary:
        temporary.write_bytes(model)
    said = f"{about['metric']} {about['value']:.6g}, epoch {about['epoch']}"
    console().print(f"{output}: {said}", soft_wrap=True)
