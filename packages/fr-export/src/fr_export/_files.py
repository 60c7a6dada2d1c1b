"""Files and folders that appear whole, with their sidecar, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fr_eval.embedders import Preprocessing
from fr_eval.errors import InputError
from fr_eval.provenance import write_json


def checked_path(path: str | Path, suffix: str) -> Path:
    """Refuse, before the work begins, a path that the file cannot have."""
    path = Path(path)
    if path.suffix != suffix or path.is_dir():
        raise InputError(f"{path}: expected a file to write with the suffix {suffix}")
    return path


@contextmanager
def finished(path: Path, preprocessing: Preprocessing) -> Iterator[Path]:
    """Give a name for a new file or folder that takes its place, after its sidecar, if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    old = path.with_name(f".{os.getpid()}.old.{path.name}")
    try:
        yield temporary
        for file in [temporary] if temporary.is_file() else temporary.rglob("*"):
            _sync(file)
        write_json(path.with_suffix(".json"), preprocessing.to_fields())
        if path.is_dir():  # a folder cannot be replaced by another in one step
            path.replace(old)
        temporary.replace(path)
    finally:
        for leftover in (temporary, old):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            leftover.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _sync(file: Path) -> None:
    if file.is_file():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
