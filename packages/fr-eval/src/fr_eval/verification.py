"""Verification (1:1): what a set of genuine and impostor scores says about a system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fr_eval._json import rate_json
from fr_eval._validate import as_rates
from fr_eval.counting import SortedScores
from fr_eval.curves import RocCurve, ScoreDensity
from fr_eval.eer import EqualErrorRate, equal_error_rate
from fr_eval.intervals import Rate
from fr_eval.roc import auc, max_accuracy, roc_curve, score_density
from fr_eval.thresholds import DEFAULT_RULE, threshold_at_far

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["DEFAULT_FARS", "OperatingPoint", "VerificationResult", "evaluate_verification", "tar_at_far"]

DEFAULT_FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class OperatingPoint:
    """The true accept rate (TAR) at the threshold for a target false accept rate (FAR).

    Attributes
    ----------
    far : float
        The target.
    threshold : float
        As the rule states it: accepted iff ``score >= threshold``; iff ``score > threshold`` under ``ijb``.
    rule : str
    accepted : Rate
        Genuine pairs accepted, of all.
    false_accepts : Rate
        Impostor pairs accepted, of all: the FAR achieved.
    """

    far: float
    threshold: float
    rule: str
    accepted: Rate
    false_accepts: Rate

    @property
    def tar(self) -> float:
        """Return the true accept rate."""
        return self.accepted.value

    @property
    def far_achieved(self) -> float:
        """Return the false accept rate at the threshold."""
        return self.false_accepts.value

    @property
    def false_rejects(self) -> Rate:
        """Return genuine pairs rejected, of all."""
        return Rate(self.accepted.total - self.accepted.count, self.accepted.total)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "far": self.far,
            "tar": self.tar,
            "threshold": self.threshold,
            "far_achieved": self.far_achieved,
            "false_accepts": self.false_accepts.count,
            "rule": self.rule,
            "false_rejects": rate_json(self.false_rejects),
            "tar_interval": list(self.accepted.interval),
            "far_interval": list(self.false_accepts.interval),
            "few_false_accepts": self.false_accepts.few,
            "far_below_if_zero": self.false_accepts.bound_if_zero,
        }


@dataclass(frozen=True)
class VerificationResult:
    """All that :func:`evaluate_verification` measured.

    Attributes
    ----------
    n_genuine, n_impostor : int
    operating_points : tuple of OperatingPoint
    eer : EqualErrorRate
    auc : float
        Probability that a genuine score exceeds an impostor score, ties counted half.
    max_accuracy : tuple of float
        Accuracy at the best threshold *on these very scores*, and that threshold: an optimistic figure.
    curve : RocCurve
        Thinned for drawing.
    density : ScoreDensity
    """

    n_genuine: int
    n_impostor: int
    operating_points: tuple[OperatingPoint, ...]
    eer: EqualErrorRate
    auc: float
    max_accuracy: tuple[float, float]
    curve: RocCurve
    density: ScoreDensity

    def to_frame(self) -> pd.DataFrame:
        """Return one row a target FAR."""
        import pandas as pd

        columns = ("far", "tar", "threshold", "far_achieved", "rule")
        rows = [
            {name: getattr(point, name) for name in columns}
            | {
                "accepted": point.accepted.count,
                "n_genuine": point.accepted.total,
                "false_accepts": point.false_accepts.count,
                "n_impostor": point.false_accepts.total,
            }
            for point in self.operating_points
        ]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None, name: str = "system") -> Axes:
        """Draw the ROC."""
        from fr_eval.plots import plot_roc

        return plot_roc({name: self.curve}, ax)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; the curve is included for later comparison."""
        accuracy, threshold = self.max_accuracy
        return {
            "n_genuine": self.n_genuine,
            "n_impostor": self.n_impostor,
            "max_accuracy": {"value": accuracy, "threshold": threshold},
            "eer": self.eer.to_json(),
            "auc": self.auc,
            "tar_at_far": [point.to_json() for point in self.operating_points],
            "roc": {
                "threshold": self.curve.threshold.tolist(),
                "far": self.curve.far.tolist(),
                "tar": self.curve.tar.tolist(),
            },
        }


def tar_at_far(
    scores: SortedScores, fars: Iterable[float] = DEFAULT_FARS, rule: str = DEFAULT_RULE
) -> tuple[OperatingPoint, ...]:
    """Return the operating point at each target FAR.

    Parameters
    ----------
    scores : SortedScores
    fars : iterable of float
        Targets in [0, 1].
    rule : str
        A name of :data:`fr_eval.thresholds.THRESHOLD_RULES`.
    """
    points = []
    for far in as_rates(fars, "target FAR"):
        threshold = threshold_at_far(scores, far, rule)
        accepted = scores.n_genuine - int(scores.false_rejects(threshold.accept_from))
        false_accepts = int(scores.false_accepts(threshold.accept_from))
        points.append(
            OperatingPoint(
                far,
                threshold.value,
                rule,
                Rate(accepted, scores.n_genuine),
                Rate(false_accepts, scores.n_impostor),
            )
        )
    return tuple(points)


def evaluate_verification(
    genuine: ArrayLike,
    impostor: ArrayLike,
    fars: Iterable[float] = DEFAULT_FARS,
    rule: str = DEFAULT_RULE,
    eer_method: str = "midpoint",
) -> VerificationResult:
    """Evaluate a verification system from its scores.

    Parameters
    ----------
    genuine : array of float, shape (M,)
        Scores of pairs of one person; larger means more alike.
    impostor : array of float, shape (N,)
        Scores of pairs of two persons.
    fars : iterable of float
        Target false accept rates.
    rule : str
        How thresholds are chosen: a name of :data:`fr_eval.thresholds.THRESHOLD_RULES`.
    eer_method : str
        ``midpoint``, ``interpolated`` or ``hull``: see :func:`fr_eval.eer.equal_error_rate`.

    Returns
    -------
    VerificationResult

    Raises
    ------
    InputError
        NaN, an empty class, +inf among the impostors, a target outside [0, 1], an unknown rule.

    Examples
    --------
    >>> result = evaluate_verification([0.9, 0.8, 0.4], [0.5, 0.3, 0.2, 0.1], fars=[0.25])
    >>> result.operating_points[0].tar
    0.6666666666666666
    >>> result.auc
    0.9166666666666666
    """
    scores = SortedScores.of(genuine, impostor)
    return VerificationResult(
        n_genuine=scores.n_genuine,
        n_impostor=scores.n_impostor,
        operating_points=tar_at_far(scores, fars, rule),
        eer=equal_error_rate(scores, eer_method),
        auc=auc(scores),
        max_accuracy=max_accuracy(scores),
        curve=roc_curve(scores),
        density=score_density(scores),
    )
