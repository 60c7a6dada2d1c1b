"""A teacher's embeddings in TFRecord, as Keras_insightface's ``data_distiller.py`` writes them. Read only.

Each record holds ``image_names`` (the path of an image file), ``image_classes`` and ``embeddings`` (raw
float16 or float32); the first one also ``classes``, ``emb_shape``, ``total`` and ``use_fp16``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fr_models.data import _tfrecord
from fr_models.data._file_list import FileList
from fr_models.data._reading import PositionalFile

__all__ = ["DistillTFRecordDataset", "is_distill_tfrecord"]

IMAGE, LABEL, EMBEDDING = "image_names", "image_classes", "embeddings"
SETTINGS = ("classes", "emb_shape", "total", "use_fp16")


class DistillTFRecordDataset(FileList):
    """Image files with embeddings, listed by one ``.tfrecord`` file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If a record is damaged or lacks a feature, or there are other numbers of images, classes or dimensions
        than the first record says.
    """

    def __init__(self, path: Path) -> None:
        images, labels, embeddings = [], [], []
        settings: dict[str, int] = {}
        for offset, record in _tfrecord.scan(PositionalFile(path)):
            where = f"{path}: byte {offset}"
            features = _tfrecord.decode_example(record, where)
            settings = settings or _settings(features, where)
            image, label, embedding = (features.get(key) for key in (IMAGE, LABEL, EMBEDDING))
            if not (isinstance(image, bytes) and isinstance(label, int) and isinstance(embedding, bytes)):
                found = ", ".join(sorted(features)) or "none"
                raise ValueError(
                    f"{where}: expected the features {IMAGE}, {LABEL} and {EMBEDDING}, got {found}"
                )
            number = np.dtype("<f2" if settings["use_fp16"] else "<f4")
            if len(embedding) != number.itemsize * settings["emb_shape"]:
                raise ValueError(
                    f"{where}: expected an embedding of {settings['emb_shape']} {number.name}, "
                    f"got {len(embedding)} bytes"
                )
            images.append(image.decode("utf-8", "surrogateescape"))
            labels.append(label)
            embeddings.append(np.frombuffer(embedding, number))
        if len(images) != settings["total"]:
            raise ValueError(f"{path}: {len(images)} records, expected {settings['total']}")
        super().__init__(path, images, np.array(labels), embeddings=np.stack(embeddings))
        if len(self.class_names) != settings["classes"]:
            raise ValueError(f"{path}: {len(self.class_names)} classes, expected {settings['classes']}")


def is_distill_tfrecord(path: Path) -> bool:
    """Whether the first record names an image file."""
    file = PositionalFile(path)
    if file.size == 0:
        return False
    record, _ = _tfrecord.read_record(file, 0)
    return IMAGE in _tfrecord.decode_example(record, f"{path}: byte 0")


def _settings(features: _tfrecord.Features, where: str) -> dict[str, int]:
    settings = {name: value for name in SETTINGS if isinstance(value := features.get(name), int)}
    if len(settings) < len(SETTINGS):
        raise ValueError(f"{where}: expected the features {', '.join(SETTINGS)} in the first record")
    return settings
