"""Intervals of what two networks that judged the same pairs differ by.

Persons are drawn anew, with all their pairs, and both networks are judged on the same draw: what is hard or
easy for both falls out of the difference. A pair belongs to the person of its first image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from fr_eval.errors import InputError
from numpy.typing import NDArray

__all__ = ["Change", "PersonDraws"]

DRAWS = 500
CONFIDENCE = 0.95
TRIES = 100

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """A difference, after less before, and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, interval: tuple[float, float], total: int) -> Change:
        """Return a difference of shares of `total` pairs, and its interval over draws.

        Where the draws show no spread, the interval is the rule of three's, ``3 / total`` either way.
        """
        low, high = interval
        if low == high:
            bound = min(1.0, 3 / total)
            return cls(value, value - bound, value + bound)
        return cls(value, min(low, value), max(high, value))

    def to_json(self) -> dict[str, float]:
        """Return JSON-ready values."""
        return asdict(self)


class PersonDraws:
    """Draws of persons, with replacement, as positions of their pairs: the same for all that is compared.

    A draw is kept as the seed that makes it again, so that memory is that of one draw, whatever the pairs.

    Parameters
    ----------
    persons : sequence of str, length P
        Whose each pair is.
    is_same : ndarray of bool, shape (P,)
        Draws without a genuine or without an impostor pair are drawn again.

    Raises
    ------
    InputError
        So few persons that hardly a draw has both.

    References
    ----------
    R. M. Bolle, N. K. Ratha and S. Pankanti, "Error analysis of pattern recognition systems: the subsets
    bootstrap", Computer Vision and Image Understanding 93 (2004).
    """

    def __init__(self, persons: Sequence[str], is_same: NDArray[np.bool_]) -> None:
        _, person_of = np.unique(np.asarray(persons), return_inverse=True)
        self._pairs = np.argsort(person_of, kind="stable")  # person by person
        self._counts = np.bincount(person_of)
        self._starts = np.cumsum(self._counts) - self._counts
        genuine = np.bincount(person_of[is_same], minlength=len(self._counts))
        self._seeds = self._usable(genuine, self._counts - genuine)

    def intervals(self, figures: Callable[[Positions], Sequence[float]]) -> list[tuple[float, float]]:
        """Return the 95 % interval of each figure over the draws.

        Parameters
        ----------
        figures : callable
            What is judged, on the pairs of some positions, which may repeat.
        """
        drawn = np.array([figures(self._positions(seed)) for seed in self._seeds], np.float64)
        tail = 100 * (1 - CONFIDENCE) / 2
        low, high = np.percentile(drawn, [tail, 100 - tail], axis=0).tolist()
        return list(zip(low, high, strict=True))

    def _usable(self, genuine: Positions, impostor: Positions) -> list[int]:
        seeds = []
        for seed in range(TRIES * DRAWS):
            drawn = self._persons(seed)
            if genuine[drawn].any() and impostor[drawn].any():
                seeds.append(seed)
            if len(seeds) == DRAWS:
                return seeds
        raise InputError(f"pairs: {len(genuine)} persons are too few for an interval of the difference")

    def _persons(self, seed: int) -> Positions:
        total = len(self._counts)
        return np.random.default_rng([0, seed]).integers(0, total, total)

    def _positions(self, seed: int) -> Positions:
        """Return the positions of all pairs of the persons of a draw."""
        drawn = self._persons(seed)
        counts = self._counts[drawn]
        ends = np.cumsum(counts)
        within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        return self._pairs[np.repeat(self._starts[drawn], counts) + within]
