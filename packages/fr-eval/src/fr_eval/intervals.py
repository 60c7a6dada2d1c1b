"""Rates with their counts, confidence intervals, and warnings about too few errors."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from fr_eval.errors import InputError

__all__ = ["RULE_OF_THIRTY", "Rate", "wilson_interval"]

RULE_OF_THIRTY = 30


def wilson_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial rate.

    Parameters
    ----------
    count, total : int
        ``0 <= count <= total``, ``total >= 1``.
    confidence : float
        In (0, 1).

    Returns
    -------
    low, high : float

    Notes
    -----
    Holds for independent trials. Scores that share a subject or an image are not; then it is too narrow.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Examples
    --------
    >>> low, high = wilson_interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.037)
    """
    if total < 1 or not 0 <= count <= total:
        raise InputError(f"rate: expected 0 <= count <= total and total >= 1, got {count} of {total}")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence: expected a number between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = count / total
    spread = z * ((rate * (1 - rate) + z * z / (4 * total)) / total) ** 0.5
    centre = rate + z * z / (2 * total)
    scale = 1 + z * z / total
    low = 0.0 if count == 0 else (centre - spread) / scale
    high = 1.0 if count == total else (centre + spread) / scale
    return low, high


@dataclass(frozen=True)
class Rate:
    """A share of errors or successes, with what it was counted from.

    Attributes
    ----------
    count, total : int
    """

    count: int
    total: int

    @property
    def value(self) -> float:
        """Return ``count / total``."""
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % Wilson interval."""
        return wilson_interval(self.count, self.total)

    @property
    def bound_if_zero(self) -> float | None:
        """Return the 95 % upper bound ``3 / total`` when nothing was counted (rule of three), else None."""
        return min(1.0, 3 / self.total) if self.count == 0 else None

    @property
    def few(self) -> bool:
        """Say whether fewer than 30 errors were counted (rule of thirty).

        With 30 errors the true rate is within 30 % of the observed one, with 90 % confidence (Doddington et
        al., "The NIST speaker recognition evaluation", Speech Communication 31, 2000).
        """
        return self.count < RULE_OF_THIRTY

    def note(self) -> str:
        """Return a short warning for tables, empty when the count is large enough."""
        if self.count == 0:
            return f"0 of {self.total}: < {3 / self.total:.1e}"
        return f"few: {self.count}" if self.few else ""
