"""Class folders: ``faces/NAME/*.jpg``, a folder a person.

The classes are the folders in the order of their names, numbers in them by value (``2`` before ``10``, ``n2``
before ``n10``), or in that of ``classes.txt``; an empty folder is a class without images. Images are files
``.jpg``, ``.jpeg`` and ``.png``, in upper or lower case, directly in these folders. Images elsewhere or of
other kinds are an error, since they would be missed; other files, and those whose names begin with a dot, are
not.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from fr_eval.protocols.folders import by_numbers

from fr_models.data._classes import CLASSES_FILE, checked_labels, read_class_names, shown
from fr_models.data._reading import read_image_file
from fr_models.data.dataset import Dataset

__all__ = ["FolderDataset"]

SUFFIXES = (".jpg", ".jpeg", ".png")
UNREAD_SUFFIXES = (".bmp", ".gif", ".heic", ".jp2", ".tif", ".tiff", ".webp")


class FolderDataset(Dataset):
    """Images of class folders, ordered by class and then by file name.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ValueError
        If there are no images, images in no class folder or of other kinds, or ``classes.txt`` names other
        folders than there are.

    Examples
    --------
    >>> dataset = FolderDataset(Path("faces"))  # doctest: +SKIP
    >>> dataset.class_names[dataset.labels[0]], dataset.name(0)  # doctest: +SKIP
    ('Abel_Pacheco', 'faces/Abel_Pacheco/Abel_Pacheco_0001.jpg')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.class_names = _class_folders(self.folder)
        self._files: list[str] = []
        counts = []
        for name in self.class_names:
            files = _images_of(self.folder / name)
            counts.append(len(files))
            self._files += files
        if not self._files:
            raise ValueError(f"{folder}: no images in its folders, expected {', '.join(SUFFIXES)}")
        labels = np.repeat(np.arange(len(counts)), counts)
        self.labels = checked_labels(labels, len(counts), str(folder))

    def read(self, index: int) -> bytes:
        """Give the file's bytes."""
        return read_image_file(self.name(index))

    def name(self, index: int) -> str:
        """Path of the file."""
        return f"{self.folder}/{self.class_names[self.labels[index]]}/{self._files[index]}"

    def paths(self) -> list[str]:
        """Paths of all files."""
        return [self.name(index) for index in range(len(self))]


def _class_folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    _refuse([entry for entry in visible if entry.is_file()], SUFFIXES, "images in no class folder")
    found = sorted((entry.name for entry in visible if entry.is_dir()), key=by_numbers)
    named = read_class_names(folder)
    if named is not None and sorted(named) != sorted(found):
        differ = sorted({*named} ^ {*found})
        raise ValueError(
            f"{folder / CLASSES_FILE}: names other classes than there are folders: {shown(differ)}"
        )
    if not found:
        raise ValueError(f"{folder}: no class folders")
    return named or found


def _images_of(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    deeper = [entry.name for entry in visible if entry.is_dir()]
    if deeper:
        raise ValueError(f"{folder}: folders inside a class folder, expected images: {shown(sorted(deeper))}")
    _refuse(visible, UNREAD_SUFFIXES, "images that are neither JPEG nor PNG")
    return sorted((entry.name for entry in visible if entry.name.lower().endswith(SUFFIXES)), key=by_numbers)


def _refuse(entries: list[os.DirEntry[str]], suffixes: tuple[str, ...], what: str) -> None:
    paths = sorted(entry.path for entry in entries if entry.name.lower().endswith(suffixes))
    if paths:
        raise ValueError(f"{Path(paths[0]).parent}: {len(paths)} {what}: {shown(paths)}")
