"""What every format gives: encoded images by index, and the class of each.

A `Dataset` is random access: a pipeline draws any order of indices and can begin again at any of them.
Reading is safe from several threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from fr_models.data._digest import Progress, digest_of
from fr_models.data._reading import stamp_of
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
    folders
        Folders by which it and what it is made of were opened: what is written into one becomes part of it.
    """

    labels: np.ndarray
    class_names: list[str]
    embeddings: np.ndarray | RowsOf | None = None
    damage: tuple[CorruptRecord, ...] = ()
    folders: tuple[Path, ...] = ()

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

    def digest(self, progress: Progress | None = None) -> str:
        """Read all images for the SHA-256, in hexadecimal, of these, labels and class names.

        It is the same in every format; embeddings do not count. ``progress`` is called with the number of
        images read and in all.
        """
        return digest_of(self, progress)

    def paths(self) -> list[str] | None:
        """Files of the images in order, if each has one (TensorFlow reads them without Python), else None."""
        return None

    def stamp(self) -> str | None:
        """Give what changes with any file of the images, by names, sizes and times of change: none is read.

        None if the images are of no files.
        """
        paths = self.paths()
        return None if paths is None else stamp_of(paths)

    def expect_outside(self, output: Path) -> None:
        """Refuse an output inside one of its folders, of which it would become part."""
        for folder in self.folders:
            if output.resolve().is_relative_to(folder.resolve()):
                raise ValueError(
                    f"{output}: lies in {folder}, the dataset's folder, expected a place outside it"
                )
