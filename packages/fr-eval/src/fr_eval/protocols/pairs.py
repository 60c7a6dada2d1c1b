"""Pair lists: LFW's official ``pairs.txt``, and plain lists of ``1|0 image image``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError, ParameterError

__all__ = ["PairList", "read_pairs"]


@dataclass(frozen=True)
class PairList:
    """P pairs of images.

    Attributes
    ----------
    first, second : tuple of str, length P
        Names as embedding sets carry them: ``NAME/NAME_0001.jpg``.
    is_same : ndarray of bool, shape (P,)
    folds : ndarray of int64, shape (P,), or None
        The official folds, when the list has them.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    is_same: NDArray[np.bool_]
    folds: NDArray[np.int64] | None = None

    def of_folds(self, numbers: Collection[int]) -> PairList:
        """Return the pairs of some folds, which are numbered anew in their order.

        Parameters
        ----------
        numbers : collection of int
            From 1, as the protocol counts.

        Raises
        ------
        ParameterError
            If the list has no folds, or no such fold.
        """
        if self.folds is None:
            raise ParameterError("pairs", "the list has no folds")
        last = int(self.folds.max()) + 1
        wrong = [number for number in numbers if not 1 <= number <= last]
        if wrong or not numbers:
            raise ParameterError(
                "folds", f"expected numbers from 1 to {last}, got {wrong[0] if wrong else 'none'}"
            )
        chosen = np.isin(self.folds + 1, list(numbers))
        _, folds = np.unique(self.folds[chosen], return_inverse=True)
        first, second = (tuple(compress(names, chosen)) for names in (self.first, self.second))
        return PairList(first, second, self.is_same[chosen], folds.reshape(-1).astype(np.int64))


def read_pairs(path: Path) -> PairList:
    """Read a pair list; its first line tells which kind it is.

    LFW's list begins with the number of folds and of pairs of each class in a fold (``10 300``), or with the
    latter alone; then come, fold by fold, ``name i j`` for one person and ``name i name j`` for two, meaning
    ``name/name_000i.jpg``. In a plain list every line is ``1`` or ``0`` and two names.

    Raises
    ------
    InputError
        Naming the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file, expected a pair list") from None
    lines = [(number, _fields(line)) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"{path}: empty, expected pairs")
    header = lines[0][1]
    if len(header) <= 2 and all(field.isdecimal() for field in header):
        return _official(path, [int(field) for field in header], lines[1:])
    return _plain(path, lines)


def _fields(line: str) -> list[str]:
    """Split at tabs where there are any, so that names may hold blanks; else at blanks."""
    return [field.strip() for field in line.split("\t")] if "\t" in line.strip() else line.split()


def _official(path: Path, header: list[int], lines: list[tuple[int, list[str]]]) -> PairList:
    n_folds, per_class = header if len(header) == 2 else (1, header[0])
    expected = 2 * n_folds * per_class
    if expected == 0:
        raise InputError(f"{path}: line 1: announces no pairs")
    if len(lines) != expected:
        raise InputError(f"{path}: {len(lines)} pairs, but the first line announces {expected}")
    first, second, is_same = [], [], []
    for position, (number, fields) in enumerate(lines):
        same = position // per_class % 2 == 0
        if len(fields) != (3 if same else 4) or not (fields[-1] + fields[1 if same else -3]).isdecimal():
            wanted = "name number number" if same else "name number name number"
            raise InputError(f"{path}: line {number}: expected '{wanted}', got {' '.join(fields)!r}")
        person, rival = fields[0], fields[0 if same else 2]
        first.append(f"{person}/{person}_{int(fields[1]):04d}.jpg")
        second.append(f"{rival}/{rival}_{int(fields[-1]):04d}.jpg")
        is_same.append(same)
    folds = np.arange(expected) // (2 * per_class) if n_folds > 1 else None
    return PairList(tuple(first), tuple(second), np.array(is_same), folds)


def _plain(path: Path, lines: list[tuple[int, list[str]]]) -> PairList:
    for number, fields in lines:
        if len(fields) != 3 or fields[0] not in ("0", "1"):
            raise InputError(f"{path}: line {number}: expected '1|0 image image', got {' '.join(fields)!r}")
    labels, first, second = zip(*(fields for _, fields in lines), strict=True)
    return PairList(first, second, np.array([label == "1" for label in labels]))
