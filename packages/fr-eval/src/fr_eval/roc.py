"""What the whole range of thresholds says: ROC points, area under the curve, best accuracy, histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fr_eval._validate import Scores
from fr_eval.counting import SortedScores, next_above
from fr_eval.curves import RocCurve, ScoreDensity

__all__ = ["auc", "max_accuracy", "roc_curve", "score_density"]


def auc(scores: SortedScores) -> float:
    """Return the area under the ROC: the Mann-Whitney statistic, ties counted half, in exact integers."""
    below = np.searchsorted(scores.impostor, scores.genuine, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(scores.impostor, scores.genuine, side="right").sum(dtype=np.int64)
    return (int(below) + int(not_above)) / (2 * scores.n_genuine * scores.n_impostor)


def max_accuracy(scores: SortedScores) -> tuple[float, float]:
    """Return the largest accuracy over all thresholds and the largest threshold that reaches it.

    Tuned on the very scores it is measured on, hence optimistic; what Keras_insightface prints.
    """
    at = np.append(np.unique(scores.genuine), next_above(scores.largest(), scores.genuine.dtype))
    accepted_genuine = scores.n_genuine - scores.false_rejects(at)
    right = accepted_genuine + scores.n_impostor - scores.false_accepts(at)
    best = at.size - 1 - int(np.argmax(right[::-1]))
    return int(right[best]) / (scores.n_genuine + scores.n_impostor), float(at[best])


def roc_curve(scores: SortedScores, max_points: int = 2000) -> RocCurve:
    """Return the ROC: every distinct score if there are few, else points even in log FAR and in TAR.

    Parameters
    ----------
    scores : SortedScores
    max_points : int
        About how many points to keep. Those kept are exact.
    """
    if scores.n_genuine + scores.n_impostor <= max_points:
        at = scores.distinct()
    else:
        from_top = np.geomspace(1, scores.n_impostor, max_points // 2).astype(np.int64)
        ranks = np.linspace(0, scores.n_genuine - 1, max_points // 2).astype(np.int64)
        chosen = (scores.impostor[scores.n_impostor - from_top], scores.genuine[ranks])
        at = np.union1d(*chosen)
    falling = np.append(next_above(scores.largest(), at.dtype), at[::-1].astype(np.float64))
    return RocCurve(falling, scores.far(falling), scores.tar(falling))


def score_density(scores: SortedScores, bins: int = 100) -> ScoreDensity:
    """Return normalised histograms of both classes over their common finite range."""
    low, high = _finite_range(scores)
    edges = np.linspace(low, high, bins + 1) if high > low else np.linspace(low - 0.5, low + 0.5, bins + 1)
    genuine, impostor = (_density(s, edges) for s in (scores.genuine, scores.impostor))
    return ScoreDensity(edges, genuine, impostor)


def _finite_range(scores: SortedScores) -> tuple[float, float]:
    finite = [
        s[np.searchsorted(s, s.dtype.type(-np.inf), side="right") : np.searchsorted(s, s.dtype.type(np.inf))]
        for s in (scores.genuine, scores.impostor)
    ]
    ends = [float(end) for s in finite if s.size for end in (s[0], s[-1])]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _density(ascending: Scores, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    positions = np.searchsorted(ascending, edges.astype(ascending.dtype), side="left")
    positions[-1] = np.searchsorted(ascending, ascending.dtype.type(edges[-1]), side="right")
    counts = np.diff(positions).astype(np.float64)
    density: NDArray[np.float64] = counts / (max(counts.sum(), 1.0) * np.diff(edges))
    return density
