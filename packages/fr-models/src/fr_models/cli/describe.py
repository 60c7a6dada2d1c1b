"""``fr-models describe``: a model's card."""

from __future__ import annotations

from typing import Annotated

import typer
from fr_eval.command_line import console, quiet_tensorflow

from fr_models._registry import checked_name


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(describe)


def describe(name: Annotated[str, typer.Argument(help="As fr-models list names it.")]) -> None:
    """Show a model's paper, options, parameters, multiply-adds and preprocessing."""
    checked_name(name)
    quiet_tensorflow()
    from dataclasses import fields

    from rich.table import Table

    from fr_models import describe as described

    description = described(name)
    card = description.card
    preprocessing = card.preprocessing
    options = {field.name: getattr(card.options, field.name) for field in fields(card.options)}
    rows = {
        "model": card.name,
        "what it is": card.summary,
        "paper": f"{card.paper.title}\n{card.paper.url}",
        "parameters": f"{description.parameters:,} with these options, 512 numbers and head GDC",
        "multiply-adds": f"{description.multiply_adds:,} an image of 112 x 112",
        "least input": f"{card.least_size} x {card.least_size}",
        "preprocessing": (
            f"(pixel - {preprocessing.offset:g}) * {preprocessing.scale:g}, {preprocessing.colour}, "
            f"{preprocessing.size[0]} x {preprocessing.size[1]}"
        ),
        "options": "\n".join(f"{key} = {value}" for key, value in options.items() if value is not None),
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in rows.items():
        table.add_row(key, value)
    console().print(table)
