"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataPath = Annotated[
    Path,
    typer.Argument(help="Class folders, .rec, .tfrecord, .npz, .npy, or a folder that holds one of them."),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write the table to this file.")]


def new_file(path: Path, suffix: str, option: str) -> Path:
    """Refuse, before the work begins, a file that exists or has another suffix."""
    if path.suffix != suffix:
        raise ValueError(f"{option}: expected a {suffix} file, got {path}")
    if path.exists():
        raise ValueError(f"{option}: {path} exists, expected a new name")
    return path
