"""Paths that exports may be written to, and the size of what is there."""

from __future__ import annotations

from pathlib import Path

from fr_eval.embedders import is_saved_model
from fr_eval.errors import InputError
from fr_eval.model_files import MODEL_FILES


def checked_path(path: str | Path, suffix: str) -> Path:
    """Refuse, before the work begins, a path that the file cannot have."""
    path = Path(path)
    if path.suffix != suffix or path.is_dir():
        raise InputError(f"{path}: expected a file to write with the suffix {suffix}")
    return path


def checked_folder(path: str | Path) -> Path:
    """Refuse, before the work begins, a path that a SavedModel cannot have."""
    path = Path(path)
    if path.suffix in MODEL_FILES:
        raise InputError(f"{path}: expected a folder to write, with another suffix than a model file's")
    if path.exists() and not is_saved_model(path):
        raise InputError(f"{path}: is there, and no SavedModel that could be replaced")
    return path


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
