"""Counts of a share of the pairs: counted strip by strip, added up, saved and taken up again.

Counts carry the problem that they are about and a fingerprint of the data: only counts of one problem add
up. A file is replaced as a whole: a killed run leaves the old one or the new one. It holds no pickle.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fr_native import _core

__all__ = [
    "GENUINE",
    "IMPOSTOR",
    "AllPairsShard",
    "PairProblem",
    "Progress",
    "Shard",
    "count_shard",
    "digest",
    "plus",
    "require_writable",
]

GENUINE, IMPOSTOR = 0, 1
Progress = Callable[[int, int], None]
Shard = tuple[int, int]

_PAIRS_PER_CALL = 500_000_000
_SECONDS_BETWEEN_CHECKPOINTS = 10.0
_COUNTS = ("above", "keys", "counts")


@dataclass(frozen=True)
class AllPairsShard:
    """Counts of one share of the pairs; see `merge_shards`.

    Attributes
    ----------
    shard : (int, int)
        ``(i, n)``: the i-th of n shares.
    fingerprint : str
        Of the embeddings, ids, groups and targets.
    above : ndarray of int64, shape (brackets, cells)
        Pairs above each bracket; a cell is genuine or impostor, and a pair of groups.
    keys : ndarray of uint64, shape (S,)
        Ascending: bracket, cell and score of the pairs within.
    counts : ndarray of int64, shape (S,)
        Pairs of each key.
    problem : PairProblem
    """

    shard: Shard
    fingerprint: str
    above: NDArray[np.int64]
    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    problem: PairProblem

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the shard to an .npz file (no pickle), replacing it as a whole."""
        _write(path, self, strips_left=0)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AllPairsShard:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            A file that `save` did not write, or a checkpoint of a run that has not ended.
        """
        shard, strips_left = _read(path)
        if strips_left > 0:
            raise ValueError(f"{os.fspath(path)}: a checkpoint of a run that has not ended; start it again")
        return shard


@dataclass(frozen=True)
class PairProblem:
    """What the counts are about: targets, brackets and the numbers of pairs by cell.

    Brackets of targets overlap where few scores are left; such targets share one.
    """

    fars: NDArray[np.float64]
    bracket_of: NDArray[np.int64]  # by target
    low: NDArray[np.float32]  # by bracket, ascending
    high: NDArray[np.float32]
    groups: NDArray[Any]  # names; none if there are no groups
    pairs: NDArray[np.int64]  # [2][groups][groups], upper triangle

    NAMES: ClassVar = ("fars", "bracket_of", "low", "high", "groups", "pairs")

    @property
    def n_impostor(self) -> int:
        """Pairs of different ids, of all groups."""
        return int(self.pairs[IMPOSTOR].sum())

    def same_brackets(self, other: PairProblem) -> bool:
        """Whether counts of both add up."""
        names = ("bracket_of", "low", "high")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Name what a file holds of the problem."""
        return {name: getattr(self, name) for name in self.NAMES}

    @classmethod
    def from_arrays(cls, stored: dict[str, NDArray[Any]]) -> PairProblem:
        """Take the problem out of the arrays of a file."""
        return cls(*(stored[name] for name in cls.NAMES))


def count_shard(
    counter: _core.PairCounter,
    problem: PairProblem,
    data: str,
    shard: Shard,
    checkpoint: str | os.PathLike[str] | None,
    progress: Progress | None,
    threads: int | None,
    *,
    resume: bool = True,
) -> AllPairsShard:
    """Count the strips of a shard, from the checkpoint and with its brackets if there is one."""
    fingerprint = digest(np.array(data), np.array(counter.strip_rows), problem.fars, problem.groups)
    above = np.zeros((len(problem.low), problem.pairs.size), np.int64)
    total = AllPairsShard(shard, fingerprint, above, np.empty(0, np.uint64), np.empty(0, np.int64), problem)
    strips = np.arange(shard[0], counter.strips, shard[1], dtype=np.int64)
    done = 0
    if resume and checkpoint is not None and Path(checkpoint).exists():
        total, strips_left = _resumed(Path(checkpoint), total)
        problem, done = total.problem, len(strips) - strips_left
    pairs = counter.strip_rows**2 * (counter.strips - strips)
    written = time.monotonic()
    while done < len(strips):
        stop = max(done + 1, int(np.searchsorted(np.cumsum(pairs[done:]), _PAIRS_PER_CALL)) + done)
        found = counter.count(strips[done:stop], problem.low, problem.high, threads=threads)
        total, done = plus(total, found), min(stop, len(strips))
        if checkpoint is not None and (
            done == len(strips) or time.monotonic() - written > _SECONDS_BETWEEN_CHECKPOINTS
        ):
            _write(checkpoint, total, strips_left=len(strips) - done)
            written = time.monotonic()
        if progress is not None:
            progress(int(pairs[:done].sum()), int(pairs.sum()))
    return total


def plus(
    total: AllPairsShard, found: tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]
) -> AllPairsShard:
    """Add what the counter found to the counts of the same problem."""
    above, keys, counts = found
    merged, place = np.unique(np.concatenate([total.keys, keys]), return_inverse=True)
    added = np.zeros(len(merged), dtype=np.int64)
    np.add.at(added, place, np.concatenate([total.counts, counts]))
    return AllPairsShard(total.shard, total.fingerprint, total.above + above, merged, added, total.problem)


def digest(*arrays: NDArray[Any]) -> str:
    """Fingerprint of arrays: of their dtypes, shapes and elements."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def require_writable(path: str | os.PathLike[str]) -> None:
    """Fail now, and not after the first part of the work, if a file cannot be written there."""
    try:
        name = os.fspath(path)
    except TypeError:
        raise TypeError(f"checkpoint: expected a path, got {type(path).__name__}") from None
    with _named(path), Path(f"{name}.tmp").open("ab"):
        pass
    Path(f"{name}.tmp").unlink()


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an error speak of the file that the user named."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None


def _write(path: str | os.PathLike[str], total: AllPairsShard, strips_left: int) -> None:
    fields = {
        "strips_left": np.array(strips_left),
        "fingerprint": np.array(total.fingerprint),
        "shard": np.array(total.shard),
    }
    counts = {name: getattr(total, name) for name in _COUNTS}
    _replace_npz(path, {**fields, **total.problem.to_arrays(), **counts})


def _read(path: str | os.PathLike[str]) -> tuple[AllPairsShard, int]:
    """Read counts, and how many strips they lack."""
    stored = _read_npz(path, (*PairProblem.NAMES, *_COUNTS, "shard", "fingerprint", "strips_left"))
    problem = PairProblem.from_arrays(stored)
    above, keys, counts = (stored[name] for name in _COUNTS)
    cells = (len(problem.low), problem.pairs.size)
    if (
        (above.dtype.str, keys.dtype.str, counts.dtype.str) != ("<i8", "<u8", "<i8")
        or above.shape != cells
        or keys.shape != counts.shape
        or stored["shard"].shape != (2,)
        or stored["strips_left"].shape != ()
    ):
        raise ValueError(f"{os.fspath(path)}: counts of other shapes or types than all_pairs writes")
    first, of = (int(part) for part in stored["shard"])
    shard = AllPairsShard((first, of), str(stored["fingerprint"]), above, keys, counts, problem)
    return shard, int(stored["strips_left"])


def _resumed(path: Path, blank: AllPairsShard) -> tuple[AllPairsShard, int]:
    stored, strips_left = _read(path)
    if (stored.fingerprint, stored.shard) != (blank.fingerprint, blank.shard):
        raise ValueError(
            f"{path}: a checkpoint of other embeddings, ids, groups, targets or shard; remove it"
        )
    return stored, strips_left


def _read_npz(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: np.lib.format.read_array(archive.open(f"{name}.npy")) for name in names}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
        raise ValueError(
            f"{os.fspath(path)}: not a whole file of all_pairs counts, expected what this version wrote"
        ) from None


def _replace_npz(path: str | os.PathLike[str], arrays: dict[str, Any]) -> None:
    temporary = Path(f"{os.fspath(path)}.tmp")
    with _named(path), temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
