"""What is wrong with a dataset, before days of training are spent on it.

Every image is decoded to its end. Duplicates are files with the same bytes, or other bytes and the same
pixels; in two classes they contradict each other. Records that are corrupt or missing are named each, those
too that a dataset opened by `open_damaged` leaves out. Nothing is changed: `Report.without` gives the rows
that are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from fr_eval.errors import ParameterError

from fr_models.data._digest import Progress
from fr_models.data._examination import Rows, examine, forget
from fr_models.data.damage import CorruptRecord, TruncatedFile
from fr_models.data.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PROBLEMS", "Problem", "Report", "check_dataset", "forget"]

PROBLEMS = {
    "truncated": "a file that ends before its last record does, or has fewer than it says",
    "corrupt": "a record whose frame, checksum or label is wrong",
    "unreadable": "cannot be read or decoded to the end",
    "label": "its label is no class",
    "tiny": "a side is shorter than asked for",
    "duplicate": "the same bytes as an earlier image of its class",
    "duplicate_across": "the same bytes as an image of another class",
    "same_pixels": "the same pixels, in other bytes, as an earlier image of its class",
    "same_pixels_across": "the same pixels, in other bytes, as an image of another class",
    "few_images": "a class with fewer images than asked for",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        One of `PROBLEMS`.
    class_name : str
    image : int or None
        Index in the dataset; None for a class, and for a record that has none.
    name : str
        Where the image or record is; or the class.
    detail : str
        What was found.
    """

    kind: str
    class_name: str
    image: int | None
    name: str
    detail: str


@dataclass(frozen=True)
class Report:
    """What was checked and found.

    Attributes
    ----------
    images, classes : int
    problems : tuple of Problem
    rows_of_few : tuple of int
        Images of the classes with few.
    """

    images: int
    classes: int
    problems: tuple[Problem, ...]
    rows_of_few: tuple[int, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many problems of each kind there are, none left out."""
        return {kind: sum(problem.kind == kind for problem in self.problems) for kind in PROBLEMS}

    def __str__(self) -> str:
        found = ", ".join(f"{count:,} {kind}" for kind, count in self.counts().items() if count)
        return f"{self.images:,} images of {self.classes:,} classes: {found or 'nothing wrong'}"

    def without(self, *kinds: str) -> npt.NDArray[np.int64]:
        """Rows of the images that have no problem of these kinds, and whose class has none."""
        checked_kinds(kinds)
        keep = np.ones(self.images, bool)
        keep[[p.image for p in self.problems if p.kind in kinds and p.image is not None]] = False
        if "few_images" in kinds:
            keep[list(self.rows_of_few)] = False
        return np.flatnonzero(keep)

    def to_frame(self) -> pd.DataFrame:
        """Give a row a problem: ``kind``, ``class_name``, ``image``, ``name``, ``detail``."""
        import pandas as pd

        columns = list(Problem.__dataclass_fields__)
        frame = pd.DataFrame([vars(problem) for problem in self.problems], columns=columns)
        return frame.astype({"image": "Int64"})

    def to_json(self) -> dict[str, Any]:
        """JSON-ready counts and problems."""
        return {
            "images": self.images,
            "classes": self.classes,
            "counts": self.counts(),
            "problems": [vars(problem) for problem in self.problems],
        }


def checked_kinds(kinds: Iterable[str]) -> list[str]:
    """Expect kinds of problems."""
    checked = list(kinds)
    for kind in checked:
        if kind not in PROBLEMS:
            raise ParameterError("kinds", f"expected some of {', '.join(PROBLEMS)}, got {kind!r}")
    return checked


def check_dataset(
    dataset: Dataset,
    least_side: int = 32,
    least_images: int = 2,
    progress: Progress | None = None,
    partial: Path | None = None,
) -> Report:
    """Read and decode every image, and list what is wrong.

    Parameters
    ----------
    dataset : Dataset
    least_side : int
        Pixels of the shorter side below which an image is tiny.
    least_images : int
        Images below which a class has few.
    progress : callable, optional
        Called with the number of images done and in all.
    partial : Path, optional
        A file for what is finished, 40 bytes an image, behind which a killed check goes on; ``PARTIAL.json``
        says how much that is. Both stay until `forget` removes them, so that nothing is lost before the
        report is where it should be. Nothing is kept of a dataset whose images are no files.

    Raises
    ------
    ValueError
        If the unfinished work is of other images, or of these before they were changed, or another process is
        at it.

    Examples
    --------
    >>> from fr_models.data import open_dataset
    >>> print(check_dataset(open_dataset("faces")))  # doctest: +SKIP
    600 images of 60 classes: 2 unreadable, 1 duplicate_across
    """
    rows, faults = examine(dataset, partial, progress)
    is_class = (dataset.labels >= 0) & (dataset.labels < len(dataset.class_names))
    counts = np.bincount(dataset.labels[is_class], minlength=len(dataset.class_names))
    problems = [
        *map(_of_damage, dataset.damage),
        *_of_faults(dataset, faults),
        *_of_sizes(dataset, rows, least_side),
        *_of_duplicates(dataset, rows),
        *_of_labels(dataset),
        *_of_counts(dataset, counts, least_images),
    ]
    order = list(PROBLEMS)
    problems.sort(key=lambda problem: order.index(problem.kind))
    is_few = np.zeros(len(dataset), bool)
    is_few[is_class] = counts[dataset.labels[is_class]] < least_images
    few = tuple(np.flatnonzero(is_few).tolist())
    return Report(len(dataset), len(dataset.class_names), tuple(problems), few)


def _of_faults(dataset: Dataset, faults: Mapping[int, ValueError]) -> Iterator[Problem]:
    for index, fault in faults.items():
        if isinstance(fault, CorruptRecord):
            yield replace(_problem(dataset, "corrupt", index, fault.reason), name=str(fault.place))
        else:
            why = str(fault).removeprefix(f"{dataset.name(index)}: ")
            yield _problem(dataset, "unreadable", index, why)


def _of_sizes(dataset: Dataset, rows: Rows, least_side: int) -> Iterator[Problem]:
    sides = np.minimum(rows["height"], rows["width"])
    for index in np.flatnonzero((sides > 0) & (sides < least_side)).tolist():
        size = f"{rows['height'][index]}x{rows['width'][index]} pixels, expected {least_side} or more"
        yield _problem(dataset, "tiny", index, size)


def _of_duplicates(dataset: Dataset, rows: Rows) -> Iterator[Problem]:
    """Name each image that an earlier one of its class equals, and all that stand in two classes."""
    decoded = np.flatnonzero(rows["height"])
    told: set[tuple[int, bool]] = set()
    for what, digests in (("duplicate", rows["encoded"]), ("same_pixels", rows["pixels"])):
        for group in _equal_rows(digests[decoded]):
            images = decoded[group].tolist()
            firsts: dict[int, int] = {}
            for index in images:
                firsts.setdefault(int(dataset.labels[index]), index)
            for index in images:
                label = int(dataset.labels[index])
                others = [first for other, first in firsts.items() if other != label]
                equal = {False: firsts[label] if firsts[label] != index else None, True: (*others, None)[0]}
                for across, twin in equal.items():
                    if twin is not None and (index, across) not in told:  # equal bytes have equal pixels
                        told.add((index, across))
                        kind = f"{what}_across" if across else what
                        yield _problem(dataset, kind, index, f"equals {dataset.name(twin)}")


def _equal_rows(digests: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Give the positions of equal rows, ascending, of each row that occurs twice or more."""
    order = np.lexsort(digests.T)
    ascending = digests[order]
    begins = np.flatnonzero((ascending[1:] != ascending[:-1]).any(axis=1)) + 1
    for group in np.split(order, begins):
        if len(group) > 1:
            yield group


def _of_labels(dataset: Dataset) -> Iterator[Problem]:
    classes = len(dataset.class_names)
    for index in np.flatnonzero((dataset.labels < 0) | (dataset.labels >= classes)).tolist():
        yield _problem(dataset, "label", index, f"{dataset.labels[index]}, expected 0 to {classes - 1}")


def _of_counts(dataset: Dataset, counts: npt.NDArray[np.int64], least_images: int) -> Iterator[Problem]:
    for label in np.flatnonzero(counts < least_images).tolist():
        name = dataset.class_names[label]
        yield Problem(
            "few_images", name, None, name, f"{counts[label]} images, expected {least_images} or more"
        )


def _of_damage(corrupt: CorruptRecord) -> Problem:
    kind = "truncated" if isinstance(corrupt, TruncatedFile) else "corrupt"
    return Problem(kind, "", None, str(corrupt.place), corrupt.reason)


def _problem(dataset: Dataset, kind: str, index: int, detail: str) -> Problem:
    label = int(dataset.labels[index])
    is_class = 0 <= label < len(dataset.class_names)
    return Problem(kind, dataset.class_names[label] if is_class else "", index, dataset.name(index), detail)
