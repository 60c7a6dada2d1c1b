"""What every format gives: encoded images by index, and the class of each.

A `Dataset` is random access: a pipeline draws any order of indices and can begin again at any of them.
Reading is safe from several threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from fr_models.data._rows import RowsOf
from fr_models.data.damage import CorruptRecord

__all__ = ["Dataset"]


class Dataset(ABC):
    """Images of people, read by index.

    Attributes
    ----------
    labels
        ``int64 [N]``: the class of each image, from 0 to ``len(class_names) - 1``.
    class_names
        The name of each class; its number is its place.
    embeddings
        ``float32 [N, D]``, a teacher's embedding of each image, or None.
    damage
        Records that are left out, of a dataset that was opened by `fr_models.data.formats.open_damaged`.
    """

    labels: np.ndarray
    class_names: list[str]
    embeddings: np.ndarray | RowsOf | None = None
    damage: tuple[CorruptRecord, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, index: int) -> bytes:
        """Give the encoded image (JPEG or PNG) at ``index``.

        Raises
        ------
        ValueError
            If it cannot be read; the message names the record.
        """

    @abstractmethod
    def name(self, index: int) -> str:
        """Where the image at ``index`` is, for messages: a path, or a file and a record's number."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of images, labels and class names: the same in every format."""

    def paths(self) -> list[str] | None:
        """Files of the images in order, if each has one (TensorFlow reads them without Python), else None."""
        return None
