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
    """Write the best model of a run with its preprocessing beside it: an embedder of fr-eval."""
    import json

    from fr_models.train._files import replacing, write_json
    from fr_models.train.best_files import best_record, settle_best

    if output.suffix != ".keras":
        raise ValueError(f"--output: expected a .keras file, got {output}")
    settle_best(folder)
    record = best_record(folder)
    if record is None:
        raise ValueError(f"{folder}: no best.keras yet, expected the folder of a run that has ended an epoch")
    write_json(output.with_suffix(".json"), json.loads((folder / "best.json").read_text(encoding="utf-8")))
    with replacing(output) as temporary:
        temporary.write_bytes((folder / "best.keras").read_bytes())
    about = f"{record['metric']} {record['value']:.6g}, epoch {record['epoch']}"
    console().print(f"{output}: {about}", soft_wrap=True)
