"""The equal error rate (EER), by three definitions that disagree on finite data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr_eval._validate import Scores, one_of
from fr_eval.counting import SortedScores, next_above

__all__ = ["EER_METHODS", "EqualErrorRate", "equal_error_rate"]

EER_METHODS = ("midpoint", "interpolated", "hull")


@dataclass(frozen=True)
class EqualErrorRate:
    """The equal error rate and the bracket that finite data leave it.

    Attributes
    ----------
    value : float
    low, high : float
        The smaller and the larger of FAR and FRR at ``threshold``.
    threshold : float
        The score that minimises ``|FAR - FRR|``; of equals, the one with the smaller sum, then the lowest.
    method : str
    """

    value: float
    low: float
    high: float
    threshold: float
    method: str

    def to_json(self) -> dict[str, float | str]:
        """Return JSON-ready values."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "threshold": self.threshold,
            "method": self.method,
        }


def equal_error_rate(scores: SortedScores, method: str = "midpoint") -> EqualErrorRate:
    """Return the equal error rate.

    Parameters
    ----------
    scores : SortedScores
    method : str
        ``midpoint``: ``(FAR + FRR) / 2`` at the threshold that minimises ``|FAR - FRR|``; 0.5 for constant
        scores. ``interpolated``: where the ROC, its points joined by straight lines, meets ``FAR = FRR``.
        ``hull``: the same on the convex hull of the ROC (N. Brummer and E. de Villiers, "The BOSARIS
        toolkit", 2013), never larger.
    """
    one_of(method, EER_METHODS, "EER method")
    below, above = _crossing(scores)
    at = np.array([below, above])
    far, frr = scores.far(at), scores.frr(at)
    best = min((0, 1), key=lambda i: _distance_and_sum(scores, float(at[i])))
    low, high = sorted((float(far[best]), float(frr[best])))
    if method == "midpoint":
        value = (low + high) / 2
    elif method == "interpolated":
        value = _meets_diagonal(far, frr)
    else:
        value = _meets_diagonal(*_hull_around_diagonal(scores))
    return EqualErrorRate(value, low, high, float(at[best]), method)


def _distance_and_sum(scores: SortedScores, threshold: float) -> tuple[int, int]:
    """Return ``|FAR - FRR|`` and ``FAR + FRR``, both times M N: whole numbers compare without rounding."""
    false_accepts = int(scores.false_accepts(threshold)) * scores.n_genuine
    false_rejects = int(scores.false_rejects(threshold)) * scores.n_impostor
    return abs(false_accepts - false_rejects), false_accepts + false_rejects


def _crossing(scores: SortedScores) -> tuple[float, float]:
    """Return the largest score with ``FAR >= FRR`` and the next score, where ``FAR < FRR``."""
    first_above = min(_first_above(scores, scores.genuine), _first_above(scores, scores.impostor))
    at = first_above if np.isfinite(first_above) else next_above(scores.largest(), scores.impostor.dtype)
    below = (_last_below(scores.genuine, at), _last_below(scores.impostor, at))
    return max(below), at


def _last_below(ascending: Scores, score: float) -> float:
    """Return the largest of ``ascending`` below ``score``, -inf if none."""
    # Of ascending's own type: NumPy would turn all of them into float64 for one float64.
    position = np.searchsorted(ascending, ascending.dtype.type(score))
    return float(ascending[position - 1]) if position > 0 else -np.inf


def _first_above(scores: SortedScores, ascending: Scores) -> float:
    """Return the smallest of ``ascending`` with ``FAR < FRR``, +inf if none: FAR - FRR never rises."""
    low, high = 0, ascending.size
    while low < high:
        middle = (low + high) // 2
        if scores.far(ascending[middle]) < scores.frr(ascending[middle]):
            high = middle
        else:
            low = middle + 1
    return float(ascending[low]) if low < ascending.size else np.inf


def _meets_diagonal(far: NDArray[np.float64], frr: NDArray[np.float64]) -> float:
    """Return FAR = FRR on the segment from a point with ``FAR >= FRR`` to one with ``FAR < FRR``."""
    before, after = far[0] - frr[0], far[1] - frr[1]
    share = before / (before - after)
    return float(far[0] + share * (far[1] - far[0]))


def _hull_around_diagonal(scores: SortedScores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return FAR and FRR of the two hull vertices around the diagonal, the one with ``FAR >= FRR`` first."""
    at = scores.distinct()
    far = np.append(scores.far(at), 0.0)
    frr = np.append(scores.frr(at), 1.0)
    hull: list[int] = []
    for i in range(far.size):
        while len(hull) > 1 and _bends_up(far, frr, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    after = next(n for n, i in enumerate(hull) if far[i] < frr[i])
    pair = [hull[after - 1], hull[after]]
    return far[pair], frr[pair]


def _bends_up(far: NDArray[np.float64], frr: NDArray[np.float64], a: int, b: int, c: int) -> bool:
    """Say whether b lies on or above the line from a to c (FAR falls, FRR rises along the curve)."""
    return bool((far[b] - far[a]) * (frr[c] - frr[a]) >= (far[c] - far[a]) * (frr[b] - frr[a]))
