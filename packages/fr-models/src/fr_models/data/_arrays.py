"""Arrays of ``.npz`` files, read without pickle."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def read_arrays(path: Path, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Array]:
    """Read the named arrays of a ``.npz`` file.

    Raises
    ------
    ValueError
        If it is no such file, cut short, lacks a required array, or one is of Python objects, which would be
        a pickle.
    """
    names = array_names(path)
    missing = [name for name in required if name not in names]
    if missing:
        raise ValueError(f"{path}: no array {missing[0]!r}, found {', '.join(sorted(names)) or 'none'}")
    wanted = [name for name in (*required, *optional) if name in names]
    arrays = {}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        for name in wanted:
            try:
                arrays[name] = stored[name]
            except Exception as error:  # a damaged archive raises whatever its bytes spell
                raise ValueError(f"{path}: {name}: {_reason(error, name)}") from None
    return arrays


def array_names(path: Path) -> list[str]:
    """List the arrays of a ``.npz`` file."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not a .npz archive, or cut short")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return list(stored.files)
    except Exception as error:  # as above
        raise ValueError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None


def unicode_strings(array: Array, where: str) -> list[str]:
    """Return a vector of unicode strings as a list."""
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(
            f"{where}: expected a vector of unicode strings, got {array.dtype} {list(array.shape)}"
        )
    return [str(text) for text in array.tolist()]


def relative_to_file(target: Path, file: Path) -> str:
    """Name a path in a file: relative to its folder if it lies below it, so that both can be moved."""
    absolute, folder = Path(os.path.abspath(target)), Path(os.path.abspath(file.parent))  # noqa: PTH100
    return (absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute).as_posix()


def _reason(error: Exception, name: str) -> str:
    if "allow_pickle" in str(error):
        return (
            "an array of Python objects, which is a pickle and can run anything; if you trust the file, "
            f"write it anew with np.load(..., allow_pickle=True)[{name!r}].astype(str) or .astype(int)"
        )
    return f"cannot be read: {' '.join(str(error).split())}"
