"""LFW-style accuracy: each fold judged at the threshold, and in the PCA space, learnt from the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval._validate import Scores, as_labels, as_scores, one_of
from fr_eval.counting import SortedScores
from fr_eval.errors import InputError
from fr_eval.roc import max_accuracy
from fr_eval.thresholds import threshold_at_far

__all__ = [
    "GRIDS",
    "FoldStatistic",
    "KFoldResult",
    "contiguous_folds",
    "kfold_accuracy",
    "kfold_accuracy_pca",
]

GRIDS = ("exact", "insightface")
VAL_FAR = 1e-3


@dataclass(frozen=True)
class FoldStatistic:
    """One figure a fold.

    Attributes
    ----------
    folds : tuple of float
    """

    folds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the mean over folds."""
        return float(np.mean(self.folds))

    @property
    def std(self) -> float:
        """Return the standard deviation over folds (ddof 1)."""
        return float(np.std(self.folds, ddof=1))

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean, ``std / sqrt(folds)``."""
        return self.std / math.sqrt(len(self.folds))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "mean": self.mean,
            "std": self.std,
            "standard_error": self.standard_error,
            "folds": list(self.folds),
        }


@dataclass(frozen=True)
class KFoldResult:
    """Accuracy and validation rate, fold by fold.

    Attributes
    ----------
    accuracy : FoldStatistic
        At the threshold of the best accuracy on the other folds.
    threshold : FoldStatistic
    val : FoldStatistic
        TAR at the threshold that the other folds set for FAR 1e-3 (VAL in FaceNet's code).
    val_far : FoldStatistic
        FAR at that threshold.
    grid : str
    pca : int or None
        Dimensions kept, if PCA was used.
    """

    accuracy: FoldStatistic
    threshold: FoldStatistic
    val: FoldStatistic
    val_far: FoldStatistic
    grid: str
    pca: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            **self.accuracy.to_json(),
            "threshold": self.threshold.to_json(),
            "val_at_far_1e-3": {**self.val.to_json(), "far": self.val_far.to_json()},
            "grid": self.grid,
            "pca": self.pca,
        }


def contiguous_folds(n_pairs: int, n_folds: int = 10) -> NDArray[np.int64]:
    """Return the fold of each pair, in the order of the list: LFW's official folds, unshuffled.

    The first ``n_pairs % n_folds`` folds hold one pair more.
    """
    if not 2 <= n_folds <= n_pairs:
        raise InputError(f"folds: expected 2 to {n_pairs}, the number of pairs, got {n_folds}")
    sizes = np.full(n_folds, n_pairs // n_folds)
    sizes[: n_pairs % n_folds] += 1
    return np.repeat(np.arange(n_folds), sizes)


def kfold_accuracy(
    scores: ArrayLike, is_same: ArrayLike, folds: ArrayLike | int = 10, grid: str = "exact"
) -> KFoldResult:
    """Return the accuracy of each fold at the best threshold of the others.

    Parameters
    ----------
    scores : array of float, shape (P,)
        Cosines, if ``grid`` is ``insightface``.
    is_same : array of bool, shape (P,)
    folds : int, or array of int of shape (P,)
        The number of contiguous folds, or the fold of each pair.
    grid : str
        ``exact``: all thresholds; of equals the largest. ``insightface``: squared distances 0, 0.01, ...,
        3.99 (0.001 apart for VAL), accepted iff below; reproduces published LFW figures.

    Returns
    -------
    KFoldResult

    References
    ----------
    G. B. Huang et al., "Labeled Faces in the Wild", UMass technical report 07-49, 2007 (View 2).
    """
    one_of(grid, GRIDS, "grid")
    pair_scores = as_scores(scores, "pair")
    same = _as_same(is_same, pair_scores.size)
    fold_of = _as_folds(folds, pair_scores.size)
    rows = [_judge_fold(pair_scores, same, fold_of == fold, grid) for fold in np.unique(fold_of)]
    return _result(rows, grid, None)


def kfold_accuracy_pca(
    first: ArrayLike,
    second: ArrayLike,
    is_same: ArrayLike,
    n_components: int,
    folds: ArrayLike | int = 10,
    grid: str = "exact",
) -> KFoldResult:
    """Return the accuracy of each fold in the PCA space of the others.

    Both images of every training pair enter the PCA as unit vectors; projections are normalised again.

    Parameters
    ----------
    first, second : array of float, shape (P, D)
        Embeddings of the two images of each pair.
    is_same : array of bool, shape (P,)
    n_components : int
        At most D, and at most the training images of a fold.
    folds, grid
        As for :func:`kfold_accuracy`.
    """
    from sklearn.decomposition import PCA

    one_of(grid, GRIDS, "grid")
    left, right = _unit(first, "first"), _unit(second, "second")
    if left.shape != right.shape:
        raise InputError(f"embeddings: expected two of one shape, got {left.shape} and {right.shape}")
    same = _as_same(is_same, len(left))
    fold_of = _as_folds(folds, len(left))
    largest = min(left.shape[1], 2 * int(min((fold_of != fold).sum() for fold in np.unique(fold_of))))
    if not 1 <= n_components <= largest:
        raise InputError(f"PCA: expected 1 to {largest} components, got {n_components}")
    rows = []
    for fold in np.unique(fold_of):
        train = fold_of != fold
        pca = PCA(n_components, svd_solver="full").fit(np.concatenate([left[train], right[train]]))
        scores = np.einsum(
            "pd,pd->p", _unit(pca.transform(left), "first"), _unit(pca.transform(right), "second")
        )
        rows.append(_judge_fold(scores, same, ~train, grid))
    return _result(rows, grid, n_components)


def _judge_fold(
    scores: Scores, same: NDArray[np.bool_], test: NDArray[np.bool_], grid: str
) -> tuple[float, float, float, float]:
    """Return accuracy, its threshold, VAL and the FAR of VAL on the test fold."""
    train = ~test
    if same[train].all() or not same[train].any():
        raise InputError("folds: the training folds hold one class only, expected genuine and impostor pairs")
    if same[test].all() or not same[test].any():
        raise InputError("folds: a fold holds one class only, expected genuine and impostor pairs")
    learn = SortedScores.of(scores[train & same], scores[train & ~same])
    threshold = _best_on_distance_grid(learn) if grid == "insightface" else max_accuracy(learn)[1]
    accepted = scores[test] >= threshold
    judge = SortedScores.of(scores[test & same], scores[test & ~same])
    val_threshold = threshold_at_far(learn, VAL_FAR).accept_from
    return (
        float((accepted == same[test]).mean()),
        threshold,
        float(judge.tar(val_threshold)),
        float(judge.far(val_threshold)),
    )


def _best_on_distance_grid(learn: SortedScores) -> float:
    """Return the smallest cosine whose squared distance is below the first best of 0, 0.01, ..., 3.99."""
    distances = np.arange(0, 4, 0.01)
    at = np.nextafter(1 - distances / 2, np.inf)
    right = learn.n_genuine - learn.false_rejects(at) + learn.n_impostor - learn.false_accepts(at)
    return float(at[int(np.argmax(right))])


def _result(rows: list[tuple[float, float, float, float]], grid: str, pca: int | None) -> KFoldResult:
    accuracy, threshold, val, val_far = (FoldStatistic(tuple(column)) for column in zip(*rows, strict=True))
    return KFoldResult(accuracy, threshold, val, val_far, grid, pca)


def _as_same(is_same: ArrayLike, n_pairs: int) -> NDArray[np.bool_]:
    same: NDArray[Any] = np.asarray(is_same)
    if same.shape != (n_pairs,) or not np.isin(same, (0, 1)).all():
        raise InputError(f"is_same: expected {n_pairs} booleans, got dtype {same.dtype}, shape {same.shape}")
    return same.astype(bool)


def _as_folds(folds: ArrayLike | int, n_pairs: int) -> NDArray[np.int64]:
    if isinstance(folds, int):
        return contiguous_folds(n_pairs, folds)
    return as_labels(folds, n_pairs, "folds")


def _unit(embeddings: ArrayLike, what: str) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(f"{what} embeddings: expected shape (P, D), got {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if bad.size:
        raise InputError(f"{what} embeddings: row {bad[0]} is zero or not finite")
    unit: NDArray[np.float64] = rows / norms
    return unit
