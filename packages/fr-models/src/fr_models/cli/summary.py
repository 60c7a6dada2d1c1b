"""``fr-models summary``: a model's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from fr_eval.command_line import console, quiet_tensorflow

from fr_models._checks import existing_file
from fr_models._registry import checked_name


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(summary)


def summary(
    model: Annotated[str, typer.Argument(help="A name, or a file: .keras or .onnx.")],
) -> None:
    """Show the layers of a model with their shapes and parameters."""
    path = Path(model)
    if path.suffix in (".keras", ".onnx"):
        existing_file("model", path)
    else:
        checked_name(model)
    quiet_tensorflow()
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    network = _opened(model)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("layer", "class", "output"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right")
    for layer in network.layers:
        shape = getattr(layer.output, "shape", None)
        sizes = "" if shape is None else " x ".join(str(n) for n in shape[1:])
        count = layer.count_params()
        table.add_row(layer.name, type(layer).__name__, sizes, f"{count:,}" if count else "")
    out = console()
    out.print(table)
    out.print(f"{network.name}: {len(network.layers)} layers, {network.count_params():,} parameters")


def _opened(model: str) -> Any:
    from fr_models import create, from_onnx
    from fr_models.cli.convert import load_keras

    path = Path(model)
    if path.suffix == ".onnx":
        return from_onnx(path)
    if path.suffix == ".keras":
        return load_keras(path)
    return create(model)
