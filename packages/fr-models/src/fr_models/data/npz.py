"""Lists of image files in ``.npz``, the caches of Keras_insightface.

Arrays: ``image_names`` (unicode: paths), ``image_classes`` (integers), and where there are any ``embeddings``
(float ``[N, D]``) and ``class_names`` (unicode; without them classes have the names of their folders, or
numbers).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_eval.embeddings import save_arrays

from fr_models.data._arrays import read_arrays, relative_to_file, unicode_strings
from fr_models.data._file_list import FileList
from fr_models.data.dataset import Dataset

__all__ = ["NpzDataset", "write_npz"]


class NpzDataset(FileList):
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
        optional = ("embeddings", "class_names")
        arrays = read_arrays(path, ("image_names", "image_classes"), optional)
        images = unicode_strings(arrays["image_names"], f"{path}: image_names")
        names = arrays.get("class_names")
        class_names = None if names is None else unicode_strings(names, f"{path}: class_names")
        super().__init__(path, images, arrays["image_classes"], class_names, arrays.get("embeddings"))


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
    if dataset.embeddings is not None:
        arrays["embeddings"] = np.asarray(dataset.embeddings)
    save_arrays(path, arrays)
