"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fr_eval._validate import as_rates
from fr_eval.errors import InputError


def numbers(text: str, what: str) -> tuple[float, ...]:
    """Parse a comma-separated list of numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{what}: expected numbers separated by commas, got {text!r}") from None


def rates(text: str, what: str) -> tuple[float, ...]:
    """Parse a comma-separated list of rates from 0 to 1."""
    return as_rates(numbers(text, what), what)


def writable_file(path: Path | None) -> Path | None:
    """Refuse, before the work begins, a file that cannot be written after it."""
    if path is None:
        return None
    folder = next((parent for parent in path.parents if parent.exists()), Path())
    if not path.name or path.is_dir():
        raise InputError(f"{path}: expected a file to write, not a folder")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path}: cannot be written: {folder} is no folder to write to")
    return path


def whole_numbers(text: str, what: str) -> tuple[int, ...]:
    """Parse a comma-separated list of whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{what}: expected whole numbers separated by commas, got {text!r}") from None


Fars = Annotated[str, typer.Option("--far", help="Target false accept rates.")]
Fpirs = Annotated[str, typer.Option("--fpir", help="Target false positive identification rates.")]
Ranks = Annotated[str, typer.Option("--ranks", help="Ranks of the closed-set rates.")]
ThresholdRule = Annotated[
    str, typer.Option("--threshold-rule", help="conservative, max_tar, nearest, linear or ijb.")
]
Folds = Annotated[int, typer.Option("--folds", help="Contiguous folds, when the pair list names none.")]
Pca = Annotated[int | None, typer.Option("--pca", help="Also reduce to this many dimensions, fold by fold.")]
Grid = Annotated[
    str, typer.Option("--grid", help="Thresholds tried on the training folds: exact or insightface.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the result to this file.", callback=writable_file)
]
PlotFolder = Annotated[Path | None, typer.Option("--plots", help="Write the plots to this folder.")]

FARS = "1e-1,1e-2,1e-3,1e-4,1e-5,1e-6"
FPIRS = "0.1,0.01,0.001"
RANKS = "1,5,10"
