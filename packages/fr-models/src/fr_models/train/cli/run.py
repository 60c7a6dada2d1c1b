"""``fr-train run``: a recipe from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.command_line import console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    recipe: Annotated[str, typer.Argument(help="A .yaml file, or a name that fr-train recipes lists.")],
    data: Annotated[Path | None, typer.Option("--data", help="The images, instead of the recipe's.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Run folder; by default runs/RECIPE.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting instead of the recipe's: key.path=value.")
    ] = None,
) -> None:
    """Train a recipe in a new run folder."""
    import json

    from fr_models.data.formats import format_of
    from fr_models.train.best import Best
    from fr_models.train.cli._training import training
    from fr_models.train.evaluation_sets import evaluations_of
    from fr_models.train.recipe import Recipe, find_recipe
    from fr_models.train.run_folder import RunFolder

    path = find_recipe(recipe)
    given = list(settings or [])
    if data is not None:
        given += ["data.synthetic=", f"data.path={json.dumps(str(data), ensure_ascii=False)}"]
    checked = Recipe.load(path, given)
    folder = output or Path("runs") / path.stem
    if checked.distribution != "multi_worker":  # whose first one may have begun
        RunFolder(folder).expect_new()
    # Wrong paths, and a figure that no set has, are told before TensorFlow is imported.
    if checked.data.path is not None:
        format_of(Path(checked.data.path))
    Best(checked.evaluate, evaluations_of(checked), folder)
    with training(folder):
        from fr_models.train.trainer import Trainer

        Trainer(checked, folder).run()
    console().print(f"{folder}: best.keras, history.csv", soft_wrap=True)
