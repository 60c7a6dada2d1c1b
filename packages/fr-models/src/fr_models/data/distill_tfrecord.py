"""A teacher's embeddings in TFRecord, as Keras_insightface's ``data_distiller.py`` writes them. Read only.

Each record holds ``image_names`` (the path of an image file), ``image_classes`` and ``embeddings`` (raw
float16 or float32); the first one also ``classes``, ``emb_shape``, ``total`` and ``use_fp16``.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fr_models.data import _tfrecord
from fr_models.data._file_list import FileList
from fr_models.data._reading import PositionalFile
from fr_models.data.damage import CorruptRecord, Place, count_missing

__all__ = ["DistillTFRecordDataset", "is_distill_tfrecord"]

IMAGE, LABEL, EMBEDDING = "image_names", "image_classes", "embeddings"
SETTINGS = ("classes", "emb_shape", "total", "use_fp16")


class DistillTFRecordDataset(FileList):
    """Image files with embeddings, listed by one ``.tfrecord`` file.

    Parameters
    ----------
    path : Path
    skip_damage : bool
        Leave out records that are corrupt or missing, and name them in ``damage``, but never the first one.

    Raises
    ------
    ValueError
        If a record is damaged or lacks a feature, or there are other numbers of images, classes or dimensions
        than the first record says.
    """

    def __init__(self, path: Path, skip_damage: bool = False) -> None:
        damage: list[CorruptRecord] | None = [] if skip_damage else None
        images, labels, embeddings = [], [], []
        settings: dict[str, int] = {}
        for number, offset, record in _tfrecord.scan(PositionalFile(path), damage):
            where = Place(path, offset, number)
            if damage and not settings:
                raise damage[0]
            try:
                features = _tfrecord.decode_example(record, where)
                settings = settings or _settings(features, where)
                image, label, embedding = _sample(features, settings, where)
            except CorruptRecord as corrupt:
                if damage is None:
                    raise
                damage.append(corrupt)
                continue
            images.append(image)
            labels.append(label)
            embeddings.append(embedding)
        if not images:
            raise damage[0] if damage else ValueError(f"{path}: no records")
        if damage is None and len(images) != settings["total"]:
            raise ValueError(f"{path}: {len(images)} records, expected {settings['total']}")
        if damage is not None:
            end = Place(path, path.stat().st_size)
            count_missing(damage, end, settings["total"], len(images), is_tail_lost=not damage)
        self.damage = tuple(damage or ())
        super().__init__(path, images, np.array(labels), embeddings=np.stack(embeddings))
        if len(self.class_names) != settings["classes"] and not damage:
            raise ValueError(f"{path}: {len(self.class_names)} classes, expected {settings['classes']}")


def is_distill_tfrecord(path: Path) -> bool:
    """Whether the first Example that can be read names an image file."""
    for number, offset, record in _tfrecord.scan(PositionalFile(path), damage=[]):
        with suppress(CorruptRecord):
            return IMAGE in _tfrecord.decode_example(record, Place(path, offset, number))
    return False


def _settings(features: _tfrecord.Features, where: Place) -> dict[str, int]:
    settings = {name: value for name in SETTINGS if isinstance(value := features.get(name), int)}
    if len(settings) < len(SETTINGS):
        raise ValueError(f"{where}: expected the features {', '.join(SETTINGS)} in the first record")
    return settings


def _sample(
    features: _tfrecord.Features, settings: dict[str, int], where: Place
) -> tuple[str, int, npt.NDArray[np.floating]]:
    """Give path, label and embedding of a record."""
    image, label, embedding = (features.get(key) for key in (IMAGE, LABEL, EMBEDDING))
    if not (isinstance(image, bytes) and isinstance(label, int) and isinstance(embedding, bytes)):
        found = ", ".join(sorted(features)) or "none"
        raise CorruptRecord(where, f"expected the features {IMAGE}, {LABEL} and {EMBEDDING}, got {found}")
    kind = np.dtype("<f2" if settings["use_fp16"] else "<f4")
    if len(embedding) != kind.itemsize * settings["emb_shape"]:
        raise CorruptRecord(
            where,
            f"expected an embedding of {settings['emb_shape']} {kind.name}, got {len(embedding)} bytes",
        )
    return image.decode("utf-8", "surrogateescape"), label, np.frombuffer(embedding, kind)
