"""From several centers a class to one: the dominant center.

Rows of a class matrix ``[classes * K, D]`` are a class's K sub-centers side by side, as in fr-losses. In a
matrix ``[D, classes * K]`` of Keras_insightface they are columns, in the same order: axis 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fr_models._checks import is_whole

CHUNK = 1024


def sub_center_counts(
    weights: npt.ArrayLike,
    sub_centers: int,
    embeddings: npt.ArrayLike,
    labels: npt.ArrayLike,
    axis: int = 0,
) -> npt.NDArray[np.int64]:
    """Count, for each sub-center, the samples of its class that are nearest to it by cosine.

    Counts of parts of a dataset may be added up.

    Parameters
    ----------
    weights : float ``[C * K, D]``, or ``[D, C * K]`` with axis 1
        The class matrix.
    sub_centers : int
        ``K``.
    embeddings : float ``[N, D]``
        Of the samples; of any length.
    labels : int ``[N]``
        The class of each.
    axis : {0, 1}
        That of the classes.

    Returns
    -------
    int64 ``[C, K]``
        How often each is the nearest; of equally near ones the first.

    Raises
    ------
    ValueError
        If shapes do not fit, or a label is no class.

    Examples
    --------
    >>> sub_center_counts([[1, 0], [0, 1]], 2, [[2, 1], [3, 0], [0, 1]], [0, 0, 0])
    array([[2, 1]])
    """
    by_class = _by_class(weights, sub_centers, axis)
    samples, classes = np.asarray(embeddings), np.asarray(labels)
    if samples.ndim != 2 or samples.shape[1] != by_class.shape[2] or classes.shape != samples.shape[:1]:
        raise ValueError(
            f"embeddings, labels: expected [N, {by_class.shape[2]}] and [N], "
            f"got {list(samples.shape)} and {list(classes.shape)}"
        )
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"labels: expected integers, got {classes.dtype}")
    if classes.size and not 0 <= classes.min() <= classes.max() < len(by_class):
        wrong = classes[(classes < 0) | (classes >= len(by_class))][0]
        raise ValueError(f"labels: expected 0 to {len(by_class) - 1}, got {wrong}")
    lengths = np.linalg.norm(by_class, axis=2)
    counts = np.zeros(by_class.shape[:2], np.int64)
    for start in range(0, len(samples), CHUNK):
        label = classes[start : start + CHUNK]
        products = np.einsum("nd,nkd->nk", samples[start : start + CHUNK], by_class[label])
        cosines = products / np.maximum(lengths[label], np.finfo(np.float32).tiny)
        np.add.at(counts, (label, cosines.argmax(axis=1)), 1)
    return counts


def reduce_sub_centers(
    weights: npt.ArrayLike, sub_centers: int, counts: npt.ArrayLike, axis: int = 0
) -> npt.NDArray[np.floating]:
    """Keep the sub-center of each class that most samples are nearest to.

    Parameters
    ----------
    weights : float ``[C * K, D]``, or ``[D, C * K]`` with axis 1
        The class matrix.
    sub_centers : int
        ``K``.
    counts : int ``[C, K]``
        Of `sub_center_counts`; of equal ones the first counts, as it does in a class without samples.
    axis : {0, 1}
        That of the classes.

    Returns
    -------
    float ``[C, D]``, or ``[D, C]`` with axis 1
        In the dtype of `weights`.

    Raises
    ------
    ValueError
        If shapes do not fit.

    References
    ----------
    Deng et al., "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces", ECCV 2020.

    Examples
    --------
    >>> reduce_sub_centers([[1.0, 0.0], [0.0, 1.0]], 2, [[1, 2]])
    array([[0., 1.]])
    """
    by_class = _by_class(weights, sub_centers, axis)
    numbers = np.asarray(counts)
    if numbers.shape != by_class.shape[:2]:
        raise ValueError(f"counts: expected {list(by_class.shape[:2])}, got {list(numbers.shape)}")
    kept = by_class[np.arange(len(by_class)), numbers.argmax(axis=1)]
    return kept if axis == 0 else np.ascontiguousarray(kept.T)


def _by_class(weights: npt.ArrayLike, sub_centers: int, axis: int) -> npt.NDArray[np.floating]:
    """Return ``[C, K, D]``."""
    if axis not in (0, 1):
        raise ValueError(f"axis: expected 0 or 1, got {axis}")
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or not is_whole(sub_centers) or sub_centers < 1 or matrix.shape[axis] % sub_centers:
        raise ValueError(
            f"weights: expected a matrix whose axis {axis} is a multiple of {sub_centers} sub-centers, "
            f"got {list(matrix.shape)}"
        )
    rows = matrix if axis == 0 else matrix.T
    return rows.reshape(-1, sub_centers, rows.shape[1])
