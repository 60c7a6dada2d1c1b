"""What a parity check gives: an exported file beside its source, image by image and pair by pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.intervals import Rate
from fr_eval.kfold import KFoldResult
from fr_eval.thresholds import accepted_at_most
from fr_eval.verification import OperatingPoint, VerificationResult
from numpy.typing import NDArray

from fr_export._paired import Change

__all__ = ["Judged", "Parity", "PointChange"]

ROUNDING = 1e-12  # of a cosine


@dataclass(frozen=True)
class Judged:
    """One network on the pairs.

    Attributes
    ----------
    scores : ndarray of float32, shape (P,)
        Cosines.
    kfold : KFoldResult
    verification : VerificationResult
    """

    scores: NDArray[np.float32] = field(repr=False)
    kfold: KFoldResult
    verification: VerificationResult


@dataclass(frozen=True)
class PointChange:
    """One target FAR, before and after.

    Attributes
    ----------
    before, after : OperatingPoint
        Each at the threshold that its own impostor pairs set.
    tar_change : Change
    at_source_threshold : Rate
        False accepts of the exported model at the source's threshold.
    far_interval : tuple of float
        The 95 % interval of that rate, over draws of persons; of no false accepts up to ``3 / total``.
    n_impostor_persons : int
        Whose the impostor pairs are, which are drawn.
    """

    before: OperatingPoint
    after: OperatingPoint
    tar_change: Change
    at_source_threshold: Rate
    far_interval: tuple[float, float]
    n_impostor_persons: int

    @property
    def measurable(self) -> bool:
        """Say whether the impostor pairs are enough to show the target FAR: one of them may be accepted."""
        return accepted_at_most(self.before.far, self.at_source_threshold.total) > 0

    @property
    def verdict(self) -> str:
        """Say whether the source's threshold still holds its FAR: ``holds``, ``unclear`` or ``exceeded``.

        ``unclear`` is a rate above the target, whose interval still reaches it, and no false accepts of so
        few pairs that the target is below the rule of three's bound. Impostor pairs of one person are ``not
        judged``: draws of persons show no spread.
        """
        if self.n_impostor_persons < 2:
            return "not judged"
        rate, target = self.at_source_threshold, self.before.far
        if rate.value > target:
            return "unclear" if self.far_interval[0] <= target else "exceeded"
        bound = rate.bound_if_zero
        return "unclear" if bound is not None and bound > target else "holds"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values; TARs are None where their FAR is not measurable."""
        rate = self.at_source_threshold
        hidden = {} if self.measurable else dict.fromkeys(("tar", "tar_interval", "false_rejects"))
        return {
            "far": self.before.far,
            "before": {**self.before.to_json(), **hidden},
            "after": {**self.after.to_json(), **hidden},
            "tar_change": self.tar_change.to_json() if self.measurable else None,
            "at_source_threshold": {
                "far": rate.value,
                "false_accepts": rate.count,
                "n_impostor": rate.total,
                "interval": list(self.far_interval),
                "few": rate.few,
                "below_if_zero": rate.bound_if_zero,
                "verdict": self.verdict,
            },
        }


@dataclass(frozen=True)
class Parity:
    """An exported file beside its source.

    Attributes
    ----------
    path : Path
    cosines : ndarray of float64, shape (N,)
        Between both embeddings of each image.
    worst_image : str
        That of the smallest cosine.
    max_unit_difference : float
        Of two numbers of an image's embeddings, at unit length.
    before, after : Judged
    accuracy_change : Change
        Of the k-fold accuracy; its interval takes the folds' thresholds as given.
    points : tuple of PointChange
        One a target FAR.
    flip_sum : bool
        Whether all embeddings, of the source, too, are sums of the image's and its mirror image's, because
        one of both models gives such sums.
    """

    path: Path
    cosines: NDArray[np.float64] = field(repr=False)
    worst_image: str
    max_unit_difference: float
    before: Judged
    after: Judged
    accuracy_change: Change
    points: tuple[PointChange, ...]
    flip_sum: bool = False

    @property
    def summed(self) -> str:
        """Return what to add to the names of both models; empty unless embeddings are sums."""
        return ", image + mirror image" if self.flip_sum else ""

    @property
    def min_cosine(self) -> float:
        """Return the smallest cosine of an image."""
        return float(self.cosines.min())

    @property
    def p01_cosine(self) -> float:
        """Return the first percentile of the cosines."""
        return float(np.percentile(self.cosines, 1))

    @property
    def mean_cosine(self) -> float:
        """Return the mean cosine."""
        return float(self.cosines.mean())

    def passes(self, least: float) -> bool:
        """Say whether all cosines are `least` or more, but for the rounding of what is equal."""
        return self.min_cosine >= least - ROUNDING

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "file": self.path.name,
            "flip_sum": self.flip_sum,
            "n_images": len(self.cosines),
            "min_cosine": self.min_cosine,
            "p01_cosine": self.p01_cosine,
            "mean_cosine": self.mean_cosine,
            "worst_image": self.worst_image,
            "max_unit_difference": self.max_unit_difference,
            "accuracy": {
                "before": self.before.kfold.to_json(),
                "after": self.after.kfold.to_json(),
                "change": self.accuracy_change.to_json(),
            },
            "tar_at_far": [point.to_json() for point in self.points],
            "verification": self.after.verification.to_json(),
        }
