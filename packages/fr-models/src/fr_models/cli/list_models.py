"""``fr-models list``: which models there are."""

from __future__ import annotations

from typing import Annotated

import typer
from fr_eval.command_line import console

import fr_models
from fr_models._table import rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_models)


def list_models(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, such as 'se_*'.")] = "*",
) -> None:
    """List models by name, with what each is, its parameters and where it is published."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    found = fr_models.list_models(pattern)
    if not found:
        raise ValueError(f"{pattern}: no model has such a name; fr-models list shows all")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "what it is"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right")
    table.add_column("paper", overflow="fold")
    for name in found:
        row = rows()[name]
        table.add_row(name, row.summary, f"{row.parameters:,}", row.url)
    console().print(table)
