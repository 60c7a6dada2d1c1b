"""Files and folders that appear whole, with their sidecar, or not at all.

A model and its sidecar are two names, and a run may be killed between them. So what the new sidecar will say
lies in ``.next.MODEL.json``, with the new model's SHA-256, before the model takes its name: fr-eval reads it
in the sidecar's place where that hash is the model's. A sidecar that another model needs is never changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fr_eval.embedders import Preprocessing, is_saved_model, next_sidecar, sidecar_of
from fr_eval.errors import InputError
from fr_eval.files import sync
from fr_eval.provenance import sha256_of, write_json

MODEL_FILES = (".keras", ".tflite", ".onnx", ".h5")


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


def check_writable(folder: Path) -> None:
    """Make a folder, or refuse, before the work begins, one that no file can be written to."""
    trial = folder / f".{os.getpid()}.trial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to write to: {error.strerror}") from None


@contextmanager
def finished(path: Path, preprocessing: Preprocessing) -> Iterator[Path]:
    """Give a name for a new file or folder that takes its place, with its sidecar, if the block succeeds.

    What a killed run left is put right first.

    Raises
    ------
    InputError
        Before the block: a folder that cannot be written to, a sidecar of other preprocessing that another
        model needs, a JSON file of that name that is no sidecar.
    """
    check_writable(path.parent)
    sidecar = path.with_suffix(".json") if path.suffix in MODEL_FILES else path.with_name(f"{path.name}.json")
    temporary, old = path.with_name(f".writing.{path.name}"), path.with_name(f".old.{path.name}")
    _settle(path, sidecar, old)
    told = _tells(sidecar, path, preprocessing)
    _remove(temporary)
    try:
        yield temporary
        _sync(temporary)
        if not told:
            about = {"file": path.name, "sha256": sha256_of(temporary)}
            write_json(next_sidecar(path), {**preprocessing.to_fields(), "about": about})
        if path.is_dir():  # a folder cannot be replaced by another in one step
            path.replace(old)
        temporary.replace(path)
        sync(path.parent)
        if not told:
            write_json(sidecar, preprocessing.to_fields())
            next_sidecar(path).unlink()
            sync(path.parent)
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        _remove(temporary)
        _remove(old)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _settle(path: Path, sidecar: Path, old: Path) -> None:
    """Give back the older folder, or the new sidecar, of a run that was killed between two names."""
    if old.exists() and not path.exists():
        old.replace(path)
    _remove(old)
    waiting = next_sidecar(path)
    if waiting.exists():
        if sidecar_of(path) == waiting and not _tells(sidecar, path, Preprocessing.read(waiting)):
            write_json(sidecar, Preprocessing.read(waiting).to_fields())
        waiting.unlink()


def _tells(sidecar: Path, path: Path, preprocessing: Preprocessing) -> bool:
    """Return whether a sidecar is there and says the same; refuse one that may not be changed."""
    if not sidecar.exists():
        return False
    try:
        found = Preprocessing.read(sidecar)
    except InputError:
        raise InputError(
            f"{sidecar}: is there, and no sidecar that could be replaced: give {path.name} another name"
        ) from None
    if found == preprocessing:
        return True
    stem = sidecar.with_suffix("")  # of a SavedModel's folder the whole name
    files = [stem.with_name(stem.name + suffix) for suffix in MODEL_FILES]
    models = [file for file in files if file.exists()] + [stem] * is_saved_model(stem)
    others = [model.name for model in models if model != path]
    if others:
        raise InputError(
            f"{sidecar}: is the sidecar of {', '.join(others)}, too, and the preprocessing of {path.name} is "
            "another: give it another name or folder, or remove those"
        )
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with all below it, is on the disk."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        sync(entry)
