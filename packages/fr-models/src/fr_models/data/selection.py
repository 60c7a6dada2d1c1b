"""Selections: some images of a dataset, perhaps as other classes; what splitting and cleaning write.

No image is copied, no embedding read before it is asked for, and records are selected as files are. The
``.npz`` file holds ``source`` (the path of the dataset), ``source_fingerprint``, ``rows``, ``labels``
and ``class_names``. A source of other class names or labels is refused, and one of other pixels if one of 64
images spread over it has changed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fr_eval.embeddings import save_arrays

from fr_models.data._arrays import read_arrays, relative_to_file, unicode_strings
from fr_models.data._classes import checked_class_names, checked_labels
from fr_models.data._digest import fingerprint_of
from fr_models.data._rows import RowsOf
from fr_models.data.dataset import Dataset

__all__ = ["Selection", "read_selection", "write_selection"]

ARRAYS = ("source", "source_fingerprint", "rows", "labels", "class_names")


class Selection(Dataset):
    """Rows of another dataset.

    Parameters
    ----------
    source : Dataset
    rows : int ``[N]``
        Which of its images, in which order.
    labels : int ``[N]``, optional
        Their classes; by default those of the source.
    class_names : list of str, optional
        By default those of the source.

    Raises
    ------
    ValueError
        If a row is not in the source, or a label is no class.
    """

    def __init__(
        self,
        source: Dataset,
        rows: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        numbers = np.asarray(rows)
        if numbers.size == 0:
            raise ValueError("selection: no images are left")
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise ValueError(
                f"selection: expected rows as a vector of integers, got {numbers.dtype} {list(numbers.shape)}"
            )
        if numbers.min() < 0 or numbers.max() >= len(source):
            raise ValueError(
                f"selection: expected rows 0 to {len(source) - 1}, got {numbers.min()} to {numbers.max()}"
            )
        self.source, self.folders = source, source.folders
        self.rows = numbers.astype(np.int64)
        names = source.class_names if class_names is None else class_names
        self.class_names = checked_class_names(names, "selection")
        self.labels = checked_labels(
            source.labels[self.rows] if labels is None else labels, len(self.class_names), "selection"
        )
        if len(self.labels) != len(self.rows):
            raise ValueError(f"selection: {len(self.rows)} rows but {len(self.labels)} labels")
        if source.embeddings is not None:
            self.embeddings = RowsOf(source.embeddings, self.rows)

    def read(self, index: int) -> bytes:
        """Give the image as the source does."""
        return self.source.read(int(self.rows[index]))

    def name(self, index: int) -> str:
        """Where the image is in the source."""
        return self.source.name(int(self.rows[index]))

    def paths(self) -> list[str] | None:
        """Paths of the files, if the source has files."""
        paths = self.source.paths()
        return None if paths is None else [paths[row] for row in self.rows.tolist()]

    def stamp(self) -> str | None:
        """Of the source, and of the rows."""
        of_source = self.source.stamp()
        return of_source and hashlib.sha256(of_source.encode() + self.rows.tobytes()).hexdigest()

    def without_empty_classes(self) -> Selection:
        """Give the same images with classes numbered anew, those without images left out."""
        present, labels = np.unique(self.labels, return_inverse=True)
        names = [self.class_names[label] for label in present.tolist()]
        return Selection(self.source, self.rows, labels.reshape(-1), names)


def write_selection(path: Path, selection: Selection, source: Path) -> None:
    """Write a selection of the dataset at ``source`` to a ``.npz`` file, whole or not at all.

    Raises
    ------
    ValueError
        If the file has another suffix, or lies in the dataset's folder.
    """
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a .npz file to write a selection to")
    selection.expect_outside(path)
    arrays = {
        "source": np.array([relative_to_file(source, path)]),
        "source_fingerprint": np.array([fingerprint_of(selection.source)]),
        "rows": selection.rows,
        "labels": selection.labels,
        "class_names": np.array(selection.class_names),
    }
    save_arrays(path, arrays)


def read_selection(path: Path) -> tuple[Path, dict[str, npt.NDArray[np.int64]], list[str], str]:
    """Read a selection: where its source is, rows and labels, class names, the source's fingerprint."""
    arrays = read_arrays(path, ARRAYS)
    source, fingerprint, class_names = (
        unicode_strings(arrays[name], f"{path}: {name}")
        for name in ("source", "source_fingerprint", "class_names")
    )
    if len(source) != 1 or len(fingerprint) != 1:
        raise ValueError(
            f"{path}: expected one source and one fingerprint, got {len(source)} and {len(fingerprint)}"
        )
    numbers = {name: arrays[name] for name in ("rows", "labels")}
    return path.parent / source[0], numbers, class_names, fingerprint[0]
