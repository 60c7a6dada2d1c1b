"""Open-set identification: the native pass, with names for what it returns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_native import _core

__all__ = ["Identification", "identify"]


class Identification(NamedTuple):
    """What each of P probes found in a gallery.

    Attributes
    ----------
    mate_score : ndarray of float32, shape (P,)
        Best score of the probe's own subject; -inf when that subject is not in the gallery.
    above, tied : ndarray of int64, shape (P,)
        Non-mates that score more than the mate, and exactly as much; 0 without a mate (see
        ``mate_elsewhere``).
    non_mate_score : ndarray of float32, shape (P,)
        Best score of another subject; -inf when there is none.
    non_mate_index : ndarray of int64, shape (P,)
        Its gallery row, the lowest of equals; -1 when there is none.
    scores : ndarray of float32, shape (P, k)
        The k best, score descending, then index ascending.
    indices : ndarray of int64, shape (P, k)
        Their gallery rows.
    """

    mate_score: NDArray[np.float32]
    above: NDArray[np.int64]
    tied: NDArray[np.int64]
    non_mate_score: NDArray[np.float32]
    non_mate_index: NDArray[np.int64]
    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


def identify(
    probes: NDArray[Any],
    gallery: NDArray[Any],
    probe_ids: ArrayLike,
    gallery_ids: ArrayLike,
    k: int = 1,
    *,
    per_template: bool = False,
    mate_elsewhere: NDArray[Any] | None = None,
    threads: int | None = None,
) -> Identification:
    """Find each probe's mate, what outranks it, its best non-mate and its top k, in one pass.

    No probe by gallery matrix is held: memory besides the inputs is a little over one byte an element of the
    gallery, and the results.

    Parameters
    ----------
    probes : array of float, shape (P, D)
    gallery : array of float, shape (G, D)
        Rows need not be normalised; float64 and float16 are converted to float32.
    probe_ids : array of int, shape (P,)
    gallery_ids : array of int, shape (G,)
        Subjects. A probe is mated iff its subject is in ``gallery_ids``.
    k : int
        Length of the candidate list, 0 to G.
    per_template : bool
        Count every gallery row as a non-mate of its own. By default a subject counts once, by its best row.
    mate_elsewhere : array of float, shape (P,), optional
        Score of the probe's mate in another gallery, -inf for none. ``above`` and ``tied`` of a probe
        without a mate here are counted against it, so that the counts of several galleries add up.
    threads : int, optional

    Returns
    -------
    Identification

    Raises
    ------
    ValueError
        A row with NaN, infinity or zero norm (named), mismatched lengths or dimensions, ``k`` larger than
        the gallery.

    Examples
    --------
    >>> import numpy as np
    >>> from fr_native import identify
    >>> gallery = np.eye(3, dtype=np.float32)
    >>> probes = np.array([[2, 1, 0], [0, 1, 3]], dtype=np.float32)
    >>> found = identify(probes, gallery, np.array([0, 1]), np.array([0, 1, 2]))
    >>> found.above
    array([0, 1])
    """
    return Identification(
        *_core.identify(
            probes,
            gallery,
            probe_ids,
            gallery_ids,
            k,
            per_template=per_template,
            mate_elsewhere=mate_elsewhere,
            threads=threads,
        )
    )
