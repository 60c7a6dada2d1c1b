"""The backbone as it is evaluated and exported: a copy that no strategy, optimizer or freezing touches."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray
from tensorflow import keras

from fr_models.train._files import replacing, sync, write_json

__all__ = ["Snapshot", "best_record", "settle_best"]


class Snapshot:
    """A copy of a backbone with weights of its own: an embedder, and what best.keras is written from.

    Made outside of the strategy's scope, so that it reads nothing of other replicas or workers.

    Parameters
    ----------
    backbone : keras.Model
        Images to embeddings; functional or sequential.
    preprocessing : fr_eval.embedders.Preprocessing
        What training does to pixels.
    """

    def __init__(self, backbone: Any, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing
        self.network = keras.models.clone_model(backbone)
        self.network.trainable = True
        self._embed = tf.function(lambda images: self.network(images, training=False), reduce_retracing=True)

    def take(self, weights: list[NDArray[Any]]) -> None:
        """Take weights, in the order of the backbone's."""
        self.network.set_weights(weights)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings ``float32 [B, D]`` of uint8 RGB images ``[B, H, W, 3]``."""
        inputs = tf.constant(self.preprocessing.apply(images))
        return np.asarray(self._embed(inputs), dtype=np.float32)

    def write_best(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write ``best.keras``, and ``best.json`` with preprocessing and ``about``.

        The two are renamed one after the other; `settle_best` ends what a kill between them left.
        """
        with replacing(folder / "best.keras") as temporary:
            self.network.save(temporary)
            record = {**self.preprocessing.to_fields(), "about": {**about, "sha256": _sha256(temporary)}}
            write_json(folder / "best.next.json", record)
        (folder / "best.next.json").replace(folder / "best.json")
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
    """Read what ``best.json`` says about ``best.keras``: its metric, value and epoch; None if there is none."""
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
