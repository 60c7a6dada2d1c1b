"""``fr-train recipes``: those that come with this package."""

from __future__ import annotations

import typer
from fr_eval.command_line import console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(recipes)


def recipes() -> None:
    """List the recipes that fr-train run takes by name."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from fr_models.train.recipe import packaged_recipes

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("recipe")
    table.add_column("what it is", overflow="fold")
    for name, path in packaged_recipes().items():
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        table.add_row(name, first.removeprefix("#").strip())
    console().print(table)
