"""Thresholds at a target false accept rate (FAR), one rule a function, chosen by name.

``conservative`` is the default: it depends on the impostor scores alone, so it can be set before a genuine
score is seen, and its FAR never exceeds the target. The others exist to reproduce what other tools print.
The same rules give the thresholds of open-set identification, with the best scores of the non-mated probes
in the place of the impostors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fr_eval._validate import Scores, one_of
from fr_eval.counting import SortedScores, next_above
from fr_eval.errors import InputError

__all__ = ["DEFAULT_RULE", "THRESHOLD_RULES", "Threshold", "accepted_at_most", "threshold_at_far"]


@dataclass(frozen=True)
class Threshold:
    """A threshold and the rule that chose it.

    Attributes
    ----------
    value : float
        As the rule states it.
    accept_from : float
        The smallest score that is accepted: ``value``, or for a strict rule (accepted iff
        ``score > value``) the next float above it.
    rule : str
    """

    value: float
    accept_from: float
    rule: str


def accepted_at_most(far: float, n_impostor: int) -> int:
    """Return the largest count c with ``c / n_impostor <= far``, the division in float64.

    ``int(n_impostor * far)`` is not it: 0.29 * 100 rounds down to 28.
    """
    if not 0.0 <= far <= 1.0:
        raise InputError(f"target FAR: expected a rate from 0 to 1, got {far}")
    count = min(n_impostor, int(far * n_impostor))
    while count > 0 and count / n_impostor > far:
        count -= 1
    while count < n_impostor and (count + 1) / n_impostor <= far:
        count += 1
    return count


def threshold_at_far(scores: SortedScores, far: float, rule: str = "conservative") -> Threshold:
    """Return the threshold at a target FAR.

    Parameters
    ----------
    scores : SortedScores
    far : float
        Target in [0, 1].
    rule : str
        ``conservative``: the smallest impostor score v with ``count(impostor >= v) / N <= far``, else the
        next float above the largest impostor score (bob.measure, NIST).
        ``max_tar``: the same over the scores of both classes: the largest TAR with FAR <= ``far``
        (scikit-learn's last ROC point at or below the target).
        ``nearest``: the ROC point whose FAR is nearest to the target, on the curve without collinear points,
        the larger TAR among equals. Its FAR can exceed the target (insightface's IJB tables).
        ``linear``: linear interpolation over FAR between the two impostor scores around the target.
        ``ijb``: the impostor score of index ``max(int(N * far) - 1, 0)``, largest first; strict
        (Keras_insightface and insightface, IJB 1:N).

    Raises
    ------
    InputError
        Unknown rule, target outside [0, 1].
    """
    one_of(rule, THRESHOLD_RULES, "threshold rule")
    if not 0.0 <= far <= 1.0:
        raise InputError(f"target FAR: expected a rate from 0 to 1, got {far}")
    return _RULES[rule](scores, far)


def _conservative(scores: SortedScores, far: float) -> Threshold:
    value = _smallest_accepted(scores.impostor, accepted_at_most(far, scores.n_impostor))
    return Threshold(value, value, "conservative")


def _max_tar(scores: SortedScores, far: float) -> Threshold:
    count = accepted_at_most(far, scores.n_impostor)
    if count >= scores.n_impostor:
        value = scores.smallest()
        return Threshold(value, value, "max_tar")
    rejected = scores.impostor[scores.n_impostor - 1 - count]
    above = [_next_score(scores.impostor, rejected), _next_score(scores.genuine, rejected)]
    value = min(
        (score for score in above if score is not None), default=next_above(rejected, scores.impostor.dtype)
    )
    return Threshold(value, value, "max_tar")


def _nearest(scores: SortedScores, far: float) -> Threshold:
    at = _without_collinear(scores)
    distance = np.abs(scores.far(at) - far)
    value = float(at[np.flatnonzero(distance == distance.min())[0]])
    return Threshold(value, value, "nearest")


def _linear(scores: SortedScores, far: float) -> Threshold:
    count = accepted_at_most(far, scores.n_impostor)
    accepted = _smallest_accepted(scores.impostor, count)
    if count >= scores.n_impostor:
        return Threshold(accepted, accepted, "linear")
    rejected = float(scores.impostor[scores.n_impostor - 1 - count])
    far_accepted, far_rejected = scores.far([accepted, rejected])
    share = (far - far_accepted) / (far_rejected - far_accepted)
    value = max(float(accepted + share * (rejected - accepted)), next_above(rejected, scores.impostor.dtype))
    return Threshold(value, value, "linear")


def _ijb(scores: SortedScores, far: float) -> Threshold:
    from_top = max(int(scores.n_impostor * far) - 1, 0)
    value = float(scores.impostor[scores.n_impostor - 1 - from_top])
    return Threshold(value, next_above(value, scores.impostor.dtype), "ijb")


def _smallest_accepted(impostor: Scores, count: int) -> float:
    """Return the smallest score that at most ``count`` scores reach; if none, the next float above all."""
    if count >= impostor.size:
        return float(impostor[0])
    rejected = impostor[impostor.size - 1 - count]
    accepted = _next_score(impostor, rejected)
    return next_above(rejected, impostor.dtype) if accepted is None else accepted


def _next_score(scores: Scores, below: np.floating) -> float | None:
    position = np.searchsorted(scores, below, side="right")
    return float(scores[position]) if position < scores.size else None


def _without_collinear(scores: SortedScores) -> Scores:
    """Return the thresholds of scikit-learn's thinned ROC, ascending, the last accepting nothing."""
    at = scores.distinct()
    false_accepts = scores.false_accepts(at)
    true_accepts = scores.n_genuine - scores.false_rejects(at)
    corner = np.ones(at.size, dtype=bool)
    if at.size > 2:
        corner[1:-1] = (np.diff(false_accepts, 2) != 0) | (np.diff(true_accepts, 2) != 0)
    nothing = np.array([next_above(at[-1], at.dtype)], dtype=at.dtype)
    return np.concatenate([at[corner], nothing])


_RULES: dict[str, Callable[[SortedScores, float], Threshold]] = {
    "conservative": _conservative,
    "max_tar": _max_tar,
    "nearest": _nearest,
    "linear": _linear,
    "ijb": _ijb,
}
THRESHOLD_RULES = tuple(_RULES)
DEFAULT_RULE = "conservative"
