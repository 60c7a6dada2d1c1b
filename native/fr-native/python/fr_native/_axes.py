"""Principal axes of embeddings that fill only part of their space.

Networks often do: on few axes their rows lie nearly whole, and then int8 products over the coordinates there
bound scores nearly as well as over all dimensions, in less time. Bounds count what rows have outside, so
axes decide the time of a search, never its result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["principal_axes"]

_SAMPLE = 2048
_SMALLEST_SET = 4 * _SAMPLE  # fewer rows are searched before axes are found
_LARGEST_DIM = 1024
_OUTSIDE = 0.01  # mean square outside: it adds as much to bounds as int8 does
_MOST_AXES = 5 / 8  # of the dimensions; more would not make up for projecting
_MULTIPLE = 16


def principal_axes(embeddings: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return the axes that hold 99 % of the rows' squares, or None if these are not few.

    Parameters
    ----------
    embeddings : array of float, shape (N, D)
        Whatever else it is, and rows that have no direction, give None.

    Returns
    -------
    ndarray of float32, shape (A, D), or None
        Orthonormal rows; A is a multiple of 16.
    """
    if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        return None
    count, dim = embeddings.shape
    if count < _SMALLEST_SET or dim > _LARGEST_DIM:
        return None
    with np.errstate(all="ignore"):
        sample = embeddings[:: max(1, count // _SAMPLE)].astype(np.float64)
        units = sample / np.linalg.norm(sample, axis=1, keepdims=True)
        moments = units.T @ units / len(units)
    # The effective number of dimensions: all for a sphere, fewer than axes are needed otherwise.
    if not np.isfinite(moments).all() or 1 / (moments**2).sum() > _MOST_AXES * dim:
        return None
    squares, axes = np.linalg.eigh(moments)
    outside = 1 - np.cumsum(squares[::-1])
    needed = -(-(int(np.argmax(outside <= _OUTSIDE)) + 1) // _MULTIPLE) * _MULTIPLE
    if needed > _MOST_AXES * dim:
        return None
    return np.ascontiguousarray(axes[:, ::-1][:, :needed].T, dtype=np.float32)
