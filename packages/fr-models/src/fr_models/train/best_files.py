"""``best.keras`` and ``best.json``: two files that belong together, whenever a run was killed.

The record that the new ``best.keras`` will have is written first, under the name ``best.next.json`` and
with the model's SHA-256; then the model is renamed, then the record. Needs no TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fr_eval.embedders import Preprocessing
from fr_eval.files import replacing, sync

from fr_models._checks import is_number
from fr_models._files import write_json

__all__ = ["best_record", "read_best", "settle_best", "write_best"]

READINGS = 5
ABOUT = {"metric", "value", "epoch", "step", "sha256"}


def write_best(
    folder: Path, save: Callable[[Path], None], preprocessing: Preprocessing, about: Mapping[str, Any]
) -> None:
    """Write both files.

    Parameters
    ----------
    folder : Path
        Of the run.
    save : callable
        Writes the model to a ``.keras`` file.
    preprocessing : fr_eval.embedders.Preprocessing
        Makes ``best.keras`` an embedder of fr-eval.
    about : mapping
        Metric, value, epoch and step.
    """
    with replacing(folder / "best.keras") as temporary:
        save(temporary)
        about = {**about, "sha256": _sha256(temporary)}
        write_json(folder / "best.next.json", {**preprocessing.to_fields(), "about": about})
    os.replace(folder / "best.next.json", folder / "best.json")  # noqa: PTH105
    sync(folder)


def settle_best(folder: Path) -> None:
    """Give ``best.json`` what belongs to ``best.keras``, where a run was killed while it wrote them.

    For the run alone, since it may take away what another process is about to rename.
    """
    waiting, model = folder / "best.next.json", folder / "best.keras"
    record = _record(waiting)
    if record is None:
        return
    if model.exists() and record["about"]["sha256"] == _sha256(model):
        os.replace(waiting, folder / "best.json")  # noqa: PTH105
    else:
        waiting.unlink()


def read_best(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Read the model and the record that belongs to it, and change nothing: a run may be writing them.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    tuple of bytes and dict
        What ``best.keras`` holds, and the preprocessing with ``about``, as in ``best.json``.

    Raises
    ------
    ValueError
        If there is no best model yet, or the record is that of another.
    """
    model = folder / "best.keras"
    for _ in range(READINGS):  # both may be replaced between two readings
        if not model.exists():
            raise ValueError(
                f"{folder}: no best.keras yet, expected the folder of a run that has ended an epoch"
            )
        content = model.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        for name in ("best.json", "best.next.json"):
            record = _record(folder / name)
            if record is not None and record["about"]["sha256"] == digest:
                return content, record
    raise ValueError(
        f"{folder}: best.json is not of best.keras: expected a record with its SHA-256, {digest}"
    )


def best_record(folder: Path) -> dict[str, Any] | None:
    """Read what ``best.json`` says of ``best.keras``: metric, value, epoch; None if there is neither.

    Raises
    ------
    ValueError
        If one is missing or damaged, or they are of two models.
    """
    model, record = folder / "best.keras", _record(folder / "best.json")
    if record is None and not model.exists():
        return None
    if record is None or not model.exists() or record["about"]["sha256"] != _sha256(model):
        raise ValueError(
            f"{folder}: best.keras and best.json: missing or damaged, expected both of one model; "
            "the run goes on without them if both are deleted"
        )
    about: dict[str, Any] = record["about"]
    return about


def _record(path: Path) -> dict[str, Any] | None:
    """Read a record of a best model; None if there is no such file."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        about = record["about"]
        if not ABOUT.issubset(about) or not is_number(about["value"]):
            raise ValueError
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: expected the record of the best model of a run") from None
    return record


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
