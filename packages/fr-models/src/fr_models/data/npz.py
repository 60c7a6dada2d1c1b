"""Lists of image files in ``.npz``, the caches of Keras_insightface.

Arrays: ``image_names`` (unicode: paths), ``image_classes`` (integers), and where there are any ``embeddings``
(float ``[N, D]``) and ``class_names`` (unicode; without them classes have the names of their folders, or
numbers). Relative paths are those from the file's own folder; if the first image is not there, from the
current folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_eval.embeddings import check_embeddings, save_arrays

from fr_models.data._arrays import Array, read_arrays, relative_to_file, unicode_strings
from fr_models.data._classes import checked_class_names, checked_labels, names_of_folders
from fr_models.data._digest import digest_of
from fr_models.data._reading import read_image_file
from fr_models.data.dataset import Dataset

__all__ = ["NpzDataset", "write_npz"]


class NpzDataset(Dataset):
    """Image files that a ``.npz`` file lists.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If arrays are missing, of other kinds or lengths, or damaged; pickled ones are never read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        optional = ("embeddings", "class_names")
        arrays = read_arrays(self.path, ("image_names", "image_classes"), optional)
        names = unicode_strings(arrays["image_names"], f"{path}: image_names")
        classes = arrays["image_classes"]
        if len(classes) != len(names):
            raise ValueError(f"{path}: {len(names)} image_names but {len(classes)} image_classes")
        self.class_names = self._names(arrays.get("class_names"), names, classes)
        self.labels = checked_labels(classes, len(self.class_names), f"{path}: image_classes")
        folder = self.path.parent
        self._folder = folder if (folder / names[0]).is_file() or not Path(names[0]).is_file() else Path()
        self._images = names
        if "embeddings" in arrays:
            self.embeddings = _checked_embeddings(arrays["embeddings"], len(names), str(path))

    def read(self, index: int) -> bytes:
        """Give the file's bytes."""
        return read_image_file(self.name(index))

    def name(self, index: int) -> str:
        """Path of the file."""
        return str(self._folder / self._images[index])

    def digest(self) -> str:
        """SHA-256 of images, labels and class names."""
        return digest_of(self)

    def paths(self) -> list[str]:
        """Paths of all files."""
        return [self.name(index) for index in range(len(self))]

    def _names(self, class_names: Array | None, images: list[str], classes: Array) -> list[str]:
        if class_names is not None:
            where = f"{self.path}: class_names"
            return checked_class_names(unicode_strings(class_names, where), where)
        highest = int(classes.max()) if classes.size and classes.dtype.kind in "iu" else 0
        if highest >= 2**31:
            raise ValueError(f"{self.path}: image_classes: expected class numbers, got {highest}")
        labelled = zip(classes.tolist(), (image.replace("\\", "/") for image in images), strict=True)
        return names_of_folders(labelled, highest + 1)


def write_npz(path: Path, dataset: Dataset) -> None:
    """List the files of a dataset, with its embeddings, in a ``.npz`` file; whole or not at all.

    Raises
    ------
    ValueError
        If its images are no files.
    """
    paths = dataset.paths()
    if paths is None:
        raise ValueError(f"{path}: a .npz file lists image files, and {dataset.name(0)} is none")
    names = [relative_to_file(Path(image), path) for image in paths]
    arrays = {
        "image_names": np.array(names),
        "image_classes": dataset.labels,
        "class_names": np.array(dataset.class_names),
    }
    save_arrays(path, arrays if dataset.embeddings is None else {**arrays, "embeddings": dataset.embeddings})


def _checked_embeddings(embeddings: Array, images: int, where: str) -> Array:
    check_embeddings(embeddings, where)
    if len(embeddings) != images:
        raise ValueError(f"{where}: {len(embeddings)} embeddings of {images} images")
    return embeddings.astype(np.float32, copy=False)
