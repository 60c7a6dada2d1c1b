"""A model and its sidecar, which appear together, whole, or not at all.

They are two names, and a run may be killed between them. So what the new sidecar will say lies in
``.next.MODEL.json``, with the new model's SHA-256, before the model takes its name: `sidecar_of` reads it in
the sidecar's place where that hash is the model's. A sidecar that another model needs is never changed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fr_eval.embedders import Preprocessing, is_saved_model, next_sidecar, sidecar_of
from fr_eval.errors import InputError
from fr_eval.files import disk_errors_named, sync
from fr_eval.provenance import sha256_of, write_json

__all__ = ["MODEL_FILES", "check_writable", "remove_with_sidecar", "written_with_sidecar"]

MODEL_FILES = (".keras", ".tflite", ".onnx", ".h5")


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
def written_with_sidecar(
    path: Path, preprocessing: Preprocessing, about: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Give a name for a new model that takes its place, with its sidecar, if the block succeeds.

    What a killed run left is put right first. A sidecar that says the same of another model stays as it is.

    Parameters
    ----------
    path : Path
        A model's file, or the folder of a SavedModel.
    preprocessing : Preprocessing
        What the sidecar says.
    about : mapping, optional
        What it says of the model besides, under ``about``, where the model's ``sha256`` is added.

    Raises
    ------
    InputError
        Before the block: a folder that cannot be written to, a folder where a model's file belongs, anything
        but a SavedModel where the folder of one belongs, a sidecar of other preprocessing that another model
        needs, a JSON file of that name that is no sidecar.

    Examples
    --------
    >>> with written_with_sidecar(Path("net.keras"), preprocessing) as temporary:  # doctest: +SKIP
    ...     model.save(temporary)
    """
    _expect_replaceable(path)
    check_writable(path.parent)
    temporary, old = path.with_name(f".writing.{path.name}"), path.with_name(f".old.{path.name}")
    _settle(path, old)
    told = _tells(path, preprocessing) and about is None and not _is_about(path)
    _remove(temporary)
    try:
        with disk_errors_named(path, temporary):
            yield temporary
            _sync(temporary)
        if not told:
            digest = {"sha256": sha256_of(temporary)}
            fields = preprocessing.to_fields()
            write_json(next_sidecar(path), {**fields, "about": {**(about or {}), **digest}})
        if path.is_dir():  # a folder cannot be replaced by another in one step
            path.replace(old)
        temporary.replace(path)
        sync(path.parent)
        if not told:
            _take(path, has_about=about is not None)
            sync(path.parent)
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        _remove(temporary)
        _remove(old)


def remove_with_sidecar(path: Path) -> None:
    """Remove a model, and its sidecar where no other model needs that."""
    if not _others(path):
        _sidecar(path).unlink(missing_ok=True)
    _remove(path)


def _sidecar(path: Path) -> Path:
    """Return the name of a sidecar, whether the model is there or not."""
    return path.with_suffix(".json") if path.suffix in MODEL_FILES else path.with_name(f"{path.name}.json")


def _expect_replaceable(path: Path) -> None:
    """Refuse a name that something else than a model of its kind has."""
    if path.suffix in MODEL_FILES:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, expected the name of a {path.suffix} file to write")
    elif path.exists() and not is_saved_model(path):
        raise InputError(f"{path}: is there, and no SavedModel that could be replaced")


def _settle(path: Path, old: Path) -> None:
    """Give back the older folder, or the new sidecar, of a run that was killed between two names."""
    if old.exists() and not path.exists():
        old.replace(path)
    _remove(old)
    waiting = next_sidecar(path)
    if waiting.exists():
        if sidecar_of(path) == waiting:
            about = json.loads(waiting.read_text(encoding="utf-8"))["about"]
            has_about = set(about) != {"sha256"}
            if not _tells(path, Preprocessing.read(waiting)) or has_about:
                _take(path, has_about)
        waiting.unlink(missing_ok=True)


def _take(path: Path, has_about: bool) -> None:
    """Give the sidecar that waits its name."""
    waiting = next_sidecar(path)
    fields = json.loads(waiting.read_text(encoding="utf-8"))
    if not has_about:
        del fields["about"]
    write_json(_sidecar(path), fields)
    waiting.unlink()


def _tells(path: Path, preprocessing: Preprocessing) -> bool:
    """Return whether a sidecar is there and says the same; refuse one that may not be changed."""
    sidecar = _sidecar(path)
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
    others = _others(path)
    if others:
        raise InputError(
            f"{sidecar}: is the sidecar of {', '.join(others)}, too, and the preprocessing of {path.name} is "
            "another: give it another name or folder, or remove those"
        )
    return False


def _is_about(path: Path) -> bool:
    """Whether a sidecar tells more of the very model that goes."""
    about = json.loads(_sidecar(path).read_text(encoding="utf-8")).get("about")
    return isinstance(about, dict) and path.exists() and about.get("sha256") == sha256_of(path)


def _others(path: Path) -> list[str]:
    """Return names of the other models that have a model's sidecar."""
    stem = _sidecar(path).with_suffix("")  # of a SavedModel's folder the whole name
    files = [stem.with_name(stem.name + suffix) for suffix in MODEL_FILES]
    models = [file for file in files if file.exists()] + [stem] * is_saved_model(stem)
    return [model.name for model in models if model != path]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with all below it, is on the disk."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        sync(entry)
