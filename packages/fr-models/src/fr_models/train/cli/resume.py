"""``fr-train resume``: a run that was stopped or killed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(resume)


def resume(
    folder: Annotated[Path, typer.Argument(help="The run folder.")],
    data: Annotated[Path | None, typer.Option("--data", help="Where its images are now.")] = None,
) -> None:
    """Go on with a run from its last checkpoint; a run that has ended stays as it is."""
    from fr_models.train.cli._training import training
    from fr_models.train.run_folder import RunFolder

    RunFolder(folder).read_recipe(data)
    with training(folder, None if data is None else "the same command"):
        from fr_models.train.trainer import Trainer

        Trainer.resume(folder, data=data)
    console().print(f"{folder}: best.keras, history.csv", soft_wrap=True)
