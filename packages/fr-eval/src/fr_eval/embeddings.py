"""Embedding sets: what moves between commands, as ``.npz`` files without pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError
from fr_eval.files import replacing

__all__ = ["EmbeddingSet", "check_embeddings"]

_SHOWN = 5
_CHECKED_ROWS = 1 << 16


def check_embeddings(embeddings: NDArray[Any], what: str) -> None:
    """Raise InputError unless this is a non-empty float matrix of finite rows, none of them zero.

    Parameters
    ----------
    embeddings : array of shape (N, D)
    what : str
        What the message calls it: the file.
    """
    if embeddings.ndim != 2 or embeddings.size == 0:
        raise InputError(f"{what}: embeddings have shape {embeddings.shape}, expected (N, D), not empty")
    if embeddings.dtype.kind != "f":
        raise InputError(f"{what}: embeddings have dtype {embeddings.dtype}, expected floats")
    for start in range(0, len(embeddings), _CHECKED_ROWS):
        rows = embeddings[start : start + _CHECKED_ROWS]
        not_finite = ~np.isfinite(rows).all(axis=1)
        with np.errstate(invalid="ignore"):  # a signalling NaN
            bad = np.flatnonzero(not_finite | ~rows.any(axis=1))
        if bad.size:
            reason = "holds NaN or infinity" if not_finite[bad[0]] else "is all zeros"
            raise InputError(f"{what}: embeddings row {start + bad[0]} {reason}")


@dataclass(frozen=True)
class EmbeddingSet:
    """Embeddings of N images or templates, with what is known about each.

    Attributes
    ----------
    embeddings : ndarray of float32, shape (N, D)
        As the network gives them; they need not be normalised.
    filenames : ndarray of str, shape (N,), optional
    labels : ndarray of int64, shape (N,), optional
        Identities.
    media : ndarray of int64, shape (N,), optional
        The photograph or video that a row comes from.
    quality : ndarray of float32, shape (N,), optional
        Detector scores.
    """

    embeddings: NDArray[np.float32]
    filenames: NDArray[np.str_] | None = None
    labels: NDArray[np.int64] | None = None
    media: NDArray[np.int64] | None = None
    quality: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self._check("embedding set")
        object.__setattr__(self, "embeddings", self.embeddings.astype(np.float32, copy=False))

    def __len__(self) -> int:
        return len(self.embeddings)

    @classmethod
    def load(cls, path: Path) -> EmbeddingSet:
        """Read a ``.npz`` file, or memory-map a ``.npy`` file of embeddings alone.

        Raises
        ------
        InputError
            A file that is cut short or holds pickled objects, no ``embeddings``, rows with NaN or zeros,
            arrays of other lengths. Arrays of other names are ignored.
        """
        arrays = _read_arrays(Path(path))
        if "embeddings" not in arrays:
            raise InputError(f"{path}: no array 'embeddings', found {', '.join(sorted(arrays)) or 'none'}")
        embeddings = arrays["embeddings"]
        if embeddings.dtype.kind == "f" and embeddings.dtype != np.float32:
            with np.errstate(over="ignore"):  # what overflows is refused as infinite below
                arrays["embeddings"] = embeddings.astype(np.float32)
        loaded = object.__new__(cls)
        for field in fields(cls):
            object.__setattr__(loaded, field.name, arrays.get(field.name))
        loaded._check(str(path))
        return loaded

    def save(self, path: Path) -> None:
        """Write a ``.npz`` file, whole or not at all."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        save_arrays(Path(path), {name: array for name, array in arrays.items() if array is not None})

    def rows_of(self, filenames: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the row of each file name.

        Raises
        ------
        InputError
            Names that are not in the set (counted, the first five shown), a name that two rows carry, a set
            without file names.
        """
        if self.filenames is None:
            raise InputError("embedding set: no array 'filenames', which pair lists refer to")
        order = np.argsort(self.filenames, kind="stable")
        ascending = self.filenames[order]
        wanted = np.asarray(filenames, dtype=np.str_)
        positions = np.minimum(np.searchsorted(ascending, wanted), len(self) - 1)
        missing = list(dict.fromkeys(wanted[ascending[positions] != wanted].tolist()))
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
            raise InputError(f"{len(missing)} images are not in the embedding set: {shown}")
        following = np.minimum(positions + 1, len(self) - 1)
        twice = (following != positions) & (ascending[following] == wanted)
        if twice.any():
            raise InputError(f"embedding set: {wanted[twice.argmax()]} names two rows")
        return order[positions]

    def subset(self, rows: NDArray[np.int64]) -> EmbeddingSet:
        """Return the set of these rows, in this order."""
        taken = {f.name: array[rows] for f in fields(self) if (array := getattr(self, f.name)) is not None}
        return replace(self, **taken)

    def _check(self, what: str) -> None:
        check_embeddings(self.embeddings, what)
        kinds = {"filenames": "U", "labels": "iu", "media": "iu", "quality": "f"}
        for name, kind in kinds.items():
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape != (len(self.embeddings),):
                raise InputError(
                    f"{what}: {name} has shape {array.shape}, expected ({len(self.embeddings)},)"
                )
            if array.dtype.kind not in kind:
                raise InputError(f"{what}: {name} has dtype {array.dtype}, expected kind {' or '.join(kind)}")


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to a ``.npz`` file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix not in (".npz", ".npy"):
        raise InputError(f"{path}: expected a .npz or .npy file")
    if path.suffix == ".npz" and path.is_file() and not zipfile.is_zipfile(path):
        raise InputError(f"{path}: cannot be read as NumPy arrays: not a .npz archive, or cut short")
    try:
        if path.suffix == ".npy":
            return {"embeddings": np.load(path, mmap_mode="r", allow_pickle=False)}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            wanted = [field.name for field in fields(EmbeddingSet) if field.name in stored.files]
            return {name: stored[name] for name in wanted} or dict.fromkeys(stored.files, np.empty(0))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # a damaged archive raises whatever its bytes spell
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as NumPy arrays: {reason}") from None
