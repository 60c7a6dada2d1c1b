"""Datasets that list image files by path.

Relative paths are those from the list's own folder; if the first image is not there, from the current folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from fr_eval.embeddings import check_embeddings

from fr_models.data._classes import checked_class_names, checked_labels, names_of_folders
from fr_models.data._reading import read_image_file
from fr_models.data.dataset import Dataset

MOST_CLASSES = 1 << 31


class FileList(Dataset):
    """Images by path.

    Parameters
    ----------
    path : Path
        The list's file.
    images : list of str
        Paths.
    labels : int ``[N]``
    class_names : list of str, optional
        By default the names of the folders of the images, or numbers.
    embeddings : float ``[N, D]``, optional

    Raises
    ------
    ValueError
        If lengths differ, labels are no classes, or embeddings are zero or not finite.
    """

    def __init__(
        self,
        path: Path,
        images: list[str],
        labels: npt.ArrayLike,
        class_names: list[str] | None = None,
        embeddings: npt.NDArray[np.floating] | None = None,
    ) -> None:
        self.path = path
        checked = checked_labels(labels, MOST_CLASSES, f"{path}: image_classes")
        if len(checked) != len(images):
            raise ValueError(f"{path}: {len(images)} image_names but {len(checked)} image_classes")
        if class_names is None:
            labelled = zip(checked.tolist(), (image.replace("\\", "/") for image in images), strict=True)
            class_names = names_of_folders(labelled, int(checked.max()) + 1)
        self.class_names = checked_class_names(class_names, f"{path}: class_names")
        self.labels = checked_labels(checked, len(self.class_names), f"{path}: image_classes")
        is_beside = (path.parent / images[0]).is_file() or not Path(images[0]).is_file()
        self._folder = path.parent if is_beside else Path()
        self._images = images
        if embeddings is not None:
            check_embeddings(embeddings, str(path))
            if len(embeddings) != len(images):
                raise ValueError(f"{path}: {len(embeddings)} embeddings of {len(images)} images")
            self.embeddings = embeddings.astype(np.float32, copy=False)

    def read(self, index: int) -> bytes:
        """Give the file's bytes."""
        return read_image_file(self.name(index))

    def name(self, index: int) -> str:
        """Path of the file."""
        return str(self._folder / self._images[index])

    def paths(self) -> list[str]:
        """Paths of all files."""
        return [self.name(index) for index in range(len(self))]
