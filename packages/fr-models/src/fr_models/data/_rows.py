"""Rows of a matrix by number, each read when it is asked for: selecting from a mapped file copies nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class RowsOf:
    """A matrix made of rows of another, in any order.

    Indexed by a number, a slice, a mask or an array of numbers it reads these rows, as an array does. NumPy
    functions get a copy of all.

    Parameters
    ----------
    matrix : ndarray ``[M, D]``, or RowsOf
        May be mapped from a file.
    rows : int64 ``[N]``

    Examples
    --------
    >>> view = RowsOf(np.array([[1.0], [2.0], [3.0]]), np.array([2, 0]))
    >>> view.shape, view[0], view[:2].ravel()
    ((2, 1), array([3.]), array([3., 1.]))
    """

    def __init__(self, matrix: np.ndarray | RowsOf, rows: npt.NDArray[np.int64]) -> None:
        self.matrix: np.ndarray = matrix.matrix if isinstance(matrix, RowsOf) else matrix
        self.rows: npt.NDArray[np.int64] = matrix.rows[rows] if isinstance(matrix, RowsOf) else rows
        self.shape: tuple[int, ...] = (len(rows), *matrix.shape[1:])
        self.dtype: np.dtype[Any] = matrix.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: Any) -> np.ndarray:
        return np.asarray(self.matrix[self.rows[chosen]])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows of another matrix: an array of all of them is always a copy")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)
