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

from fr_models.train._files import replacing, sync, write_json

__all__ = ["best_record", "settle_best", "write_best"]


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
    """Give ``best.json`` what belongs to ``best.keras``, where a run was killed while it wrote them."""
    waiting = folder / "best.next.json"
    if not waiting.exists():
        return
    model = folder / "best.keras"
    if model.exists() and json.loads(waiting.read_text())["about"]["sha256"] == _sha256(model):
        os.replace(waiting, folder / "best.json")  # noqa: PTH105
    else:
        waiting.unlink()


def best_record(folder: Path) -> dict[str, Any] | None:
    """Read what ``best.json`` says of ``best.keras``: metric, value, epoch; None if there is none."""
    sidecar = folder / "best.json"
    if not (sidecar.exists() and (folder / "best.keras").exists()):
        return None
    try:
        about: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))["about"]
    except (KeyError, ValueError):
        raise ValueError(f"{sidecar}: expected the record of the best model of a run") from None
    return about


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
