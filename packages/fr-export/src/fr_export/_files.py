"""Paths that exports are made from and may be written to, and the size of what is there."""

from __future__ import annotations

from pathlib import Path

from fr_eval.embedders import is_saved_model
from fr_eval.embedders.keras import saved_by
from fr_eval.errors import InputError
from fr_eval.model_files import MODEL_FILES
from fr_eval.provenance import external_data


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


def checked_keras_file(path: str | Path) -> Path:
    """Refuse, before TensorFlow is asked, what is no ``.keras`` file."""
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"{path}: expected a .keras file or a Keras model")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    saved_by(path)
    return path


def size_of(path: Path) -> int:
    """Return the bytes of a model's file and its external data, or of all files of a folder.

    Raises
    ------
    InputError
        External data that is not there.
    """
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in [path, *external_data(path)])
