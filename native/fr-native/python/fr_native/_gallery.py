"""Exact top-k search: the native gallery, given the axes that its rows lie on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_native import _core
from fr_native._axes import principal_axes

__all__ = ["Gallery"]


class Gallery:
    """Rows packed once for exact cosine top-k search.

    Parameters
    ----------
    embeddings : array of float, shape (G, D)
        Rows need not be normalised. A C-contiguous float32 array, memory-mapped or not, is kept by reference
        and must not be changed while the gallery is in use; any other is converted to one. Besides it the
        gallery takes a little over one byte an element.
    threads : int, optional
        Default: FR_NUM_THREADS, or the cores this process may use.

    Raises
    ------
    ValueError
        Not a float matrix, or a row with NaN, infinity or zero norm (named).

    Examples
    --------
    >>> import numpy as np
    >>> from fr_native import Gallery
    >>> scores, rows = Gallery(np.eye(3, dtype=np.float32)).search(np.float32([[0, 3, 4]]), k=2)
    >>> rows
    array([[2, 1]])
    """

    def __init__(self, embeddings: NDArray[Any], *, threads: int | None = None) -> None:
        self._native = _core.Gallery(embeddings, principal_axes(embeddings), threads=threads)

    def search(
        self, queries: NDArray[Any], k: int, *, threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k gallery rows nearest to each query.

        Parameters
        ----------
        queries : array of float, shape (Q, D)
        k : int
            1 to the size of the gallery.
        threads : int, optional

        Returns
        -------
        scores : ndarray of float32, shape (Q, k)
            Cosines: float64 dot products of float32 unit rows, rounded once. Best first.
        indices : ndarray of int64, shape (Q, k)
            Gallery rows; of equal scores the lower row comes first.

        Raises
        ------
        ValueError
            Another dimension than the gallery's, k out of range, a row with NaN, infinity or zero norm
            (named).
        """
        return self._native.search(queries, k, threads=threads)

    def __len__(self) -> int:
        return len(self._native)

    @property
    def dim(self) -> int:
        """Number of dimensions of a row."""
        return self._native.dim
