"""Labels and class names: every reader's come through here.

Formats that have no place for names keep them in ``classes.txt`` beside the images: a line a class, in the
order of the labels. Without it folders are in the order of their names, and classes of records have the names
of the folders that a list gives for their images, or numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from fr_eval.files import write_text

CLASSES_FILE = "classes.txt"
_SHOWN = 5


def checked_labels(labels: npt.ArrayLike, classes: int, where: str) -> npt.NDArray[np.int64]:
    """Return labels as int64, all of them from 0 to ``classes - 1``."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: expected labels as a vector of integers, got {array.dtype} {list(array.shape)}"
        )
    if array.size == 0:
        raise ValueError(f"{where}: no images")
    wrong = np.flatnonzero((array < 0) | (array >= classes))
    if wrong.size:
        raise ValueError(
            f"{where}: {wrong.size} labels outside 0 to {classes - 1}: the first is {array[wrong[0]]}, "
            f"of sample {wrong[0]}"
        )
    return array.astype(np.int64)


def checked_class_names(names: Iterable[str], where: str) -> list[str]:
    """Return class names, all of them different and on one line."""
    checked = list(names)
    if not checked:
        raise ValueError(f"{where}: no classes")
    bad = [name for name in checked if not name.strip() or len(name.splitlines()) != 1]
    if bad:
        raise ValueError(f"{where}: expected names of classes on one line each, got {bad[0]!r}")
    if len(set(checked)) < len(checked):
        twice = next(name for name in checked if checked.count(name) > 1)
        raise ValueError(f"{where}: two classes have the name {twice!r}")
    return checked


def read_class_names(folder: Path) -> list[str] | None:
    """Read ``classes.txt``, if it is there."""
    path = folder / CLASSES_FILE
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text, expected a class name a line") from None
    return checked_class_names(lines[:-1] if lines[-1] == "" else lines, str(path))


def write_class_names(folder: Path, names: Iterable[str]) -> None:
    """Write ``classes.txt``, whole or not at all."""
    text = "".join(f"{name}\n" for name in checked_class_names(names, CLASSES_FILE))
    write_text(folder / CLASSES_FILE, text)


def names_of_folders(images: Iterable[tuple[int, str]], classes: int) -> list[str]:
    """Name each class by the folder that all of its images lie in, or all classes by numbers.

    Parameters
    ----------
    images : iterable of (label, path)
    classes : int
        How many there are.
    """
    numbers = [str(label) for label in range(classes)]
    names: dict[int, str] = {}
    for label, path in images:
        folder = PurePosixPath(path).parent.name
        if not folder or names.setdefault(label, folder) != folder:
            return numbers
    named = [names.get(label, "") for label in range(classes)]
    return named if all(named) and len(set(named)) == classes else numbers


def shown(items: list[str]) -> str:
    """Join the first few."""
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")
