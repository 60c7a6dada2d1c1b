"""What is wrong with a dataset, before days of training are spent on it.

Every image is decoded to its end. Duplicates are files with the same bytes, or other bytes and the same
pixels; in two classes they contradict each other. Records that are corrupt or missing are named each, those
too that a dataset opened by `open_damaged` leaves out. Nothing is changed: `Report.without` gives the rows
that are left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fr_models.data._digest import Progress
from fr_models.data._images import decode_whole
from fr_models.data.damage import CorruptRecord, TruncatedFile
from fr_models.data.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PROBLEMS", "Problem", "Report", "check_dataset"]

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
DECODERS = 4
BLOCK_IMAGES = 256
DIGEST_BYTES = 16


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
    """

    images: int
    classes: int
    problems: tuple[Problem, ...]

    def counts(self) -> dict[str, int]:
        """How many problems of each kind there are, none left out."""
        return {kind: sum(problem.kind == kind for problem in self.problems) for kind in PROBLEMS}

    def __str__(self) -> str:
        found = ", ".join(f"{count:,} {kind}" for kind, count in self.counts().items() if count)
        return f"{self.images:,} images of {self.classes:,} classes: {found or 'nothing wrong'}"

    def without(self, *kinds: str) -> npt.NDArray[np.int64]:
        """Rows of the images that have no problem of these kinds."""
        checked_kinds(kinds)
        keep = np.ones(self.images, bool)
        keep[[p.image for p in self.problems if p.kind in kinds and p.image is not None]] = False
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
            raise ValueError(f"kinds: expected some of {', '.join(PROBLEMS)}, got {kind!r}")
    return checked


def check_dataset(
    dataset: Dataset, least_side: int = 32, least_images: int = 2, progress: Progress | None = None
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

    Examples
    --------
    >>> from fr_models.data import open_dataset
    >>> print(check_dataset(open_dataset("faces")))  # doctest: +SKIP
    600 images of 60 classes: 2 unreadable, 1 duplicate_across
    """
    digests = np.zeros((2, len(dataset), DIGEST_BYTES), np.uint8)
    decoded = np.zeros(len(dataset), bool)
    problems = [_of_damage(corrupt) for corrupt in dataset.damage]
    for index, (problem, both) in enumerate(_examined(dataset, least_side)):
        if problem is not None:
            problems.append(problem)
        if both is not None:
            digests[:, index] = np.frombuffer(both, np.uint8).reshape(2, -1)
            decoded[index] = True
        if progress is not None and ((index + 1) % BLOCK_IMAGES == 0 or index + 1 == len(dataset)):
            progress(index + 1, len(dataset))
    problems += [*_duplicates(dataset, digests, decoded), *_of_labels(dataset, least_images)]
    order = list(PROBLEMS)
    problems.sort(key=lambda problem: order.index(problem.kind))
    return Report(len(dataset), len(dataset.class_names), tuple(problems))


def _examined(dataset: Dataset, least_side: int) -> Iterator[tuple[Problem | None, bytes | None]]:
    """For each image its problem, and the digests of its bytes and of its pixels."""

    def examine(index: int) -> tuple[Problem | None, bytes | None]:
        name = dataset.name(index)
        try:
            encoded = dataset.read(index)
            image = decode_whole(encoded, name)
        except CorruptRecord as corrupt:
            problem = _problem(dataset, "corrupt", index, corrupt.reason)
            return replace(problem, name=str(corrupt.place)), None
        except ValueError as error:
            return _problem(dataset, "unreadable", index, str(error)), None
        pixels = f"{image.mode} {image.size}".encode() + image.tobytes()
        digests = (hashlib.blake2b(part, digest_size=DIGEST_BYTES).digest() for part in (encoded, pixels))
        is_tiny = min(image.size) < least_side
        size = f"{image.height}x{image.width} pixels, expected {least_side} or more"
        return _problem(dataset, "tiny", index, size) if is_tiny else None, b"".join(digests)

    with ThreadPoolExecutor(DECODERS) as pool:
        for start in range(0, len(dataset), BLOCK_IMAGES):
            yield from pool.map(examine, range(start, min(start + BLOCK_IMAGES, len(dataset))))


def _duplicates(
    dataset: Dataset, digests: npt.NDArray[np.uint8], decoded: npt.NDArray[np.bool_]
) -> Iterator[Problem]:
    """Name each image that an earlier one of its class equals, and all that stand in two classes."""
    rows = np.flatnonzero(decoded)
    told: set[tuple[int, bool]] = set()
    for what, of_images in zip(("duplicate", "same_pixels"), digests, strict=True):
        for group in _equal_rows(of_images[rows]):
            images = rows[group].tolist()
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


def _equal_rows(digests: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.int64]]:
    """Give the positions of equal rows, ascending, of each row that occurs twice or more."""
    keys = np.ascontiguousarray(digests).view(np.uint64)
    order = np.lexsort(keys.T)
    ascending = keys[order]
    begins = np.flatnonzero((ascending[1:] != ascending[:-1]).any(axis=1)) + 1
    for group in np.split(order, begins):
        if len(group) > 1:
            yield group


def _of_labels(dataset: Dataset, least_images: int) -> Iterator[Problem]:
    classes = len(dataset.class_names)
    in_range = (dataset.labels >= 0) & (dataset.labels < classes)
    for index in np.flatnonzero(~in_range).tolist():
        yield _problem(dataset, "label", index, f"{dataset.labels[index]}, expected 0 to {classes - 1}")
    counts = np.bincount(dataset.labels[in_range], minlength=classes)
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
