"""``fr-models list``: which models there are."""

from __future__ import annotations

from typing import Annotated

import typer
from fr_eval.command_line import console

from fr_models.cli._options import quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_models)


def list_models(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, such as 'se_*'.")] = "*",
) -> None:
    """List models by name, with what each is and where it is published."""
    quiet()
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from fr_models._registry import find
    from fr_models._registry import list_models as names

    found = names(pattern)
    if not found:
        raise ValueError(f"{pattern}: no model has such a name; fr-models list shows all")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "what it is", "paper"):
        table.add_column(heading, overflow="fold")
    for name in found:
        card, _ = find(name)
        table.add_row(name, card.summary, card.paper.url)
    console().print(table)
