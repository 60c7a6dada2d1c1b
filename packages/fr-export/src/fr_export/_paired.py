"""Intervals of a difference between two networks that judged the same pairs.

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


@dataclass(frozen=True)
class Change:
    """A difference, after less before, and its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return JSON-ready values."""
        return asdict(self)


class PersonDraws:
    """Draws of persons, with replacement, as positions of their pairs: the same for all that is compared.

    Parameters
    ----------
    persons : sequence of str, length P
        Whose each pair is.
    is_same : ndarray of bool, shape (P,)
        Draws without a genuine or without an impostor pair are drawn again.

    References
    ----------
    R. M. Bolle, N. K. Ratha and S. Pankanti, "Error analysis of pattern recognition systems: the subsets
    bootstrap", Computer Vision and Image Understanding 93 (2004).
    """

    def __init__(self, persons: Sequence[str], is_same: NDArray[np.bool_]) -> None:
        names, person_of = np.unique(np.asarray(persons), return_inverse=True)
        pairs_of = np.split(np.argsort(person_of, kind="stable"), np.cumsum(np.bincount(person_of))[:-1])
        random = np.random.default_rng(0)
        self._draws: list[NDArray[np.int64]] = []
        for _ in range(TRIES * DRAWS):
            drawn = random.integers(0, len(names), len(names))
            pairs = np.concatenate([pairs_of[person] for person in drawn])
            if is_same[pairs].any() and not is_same[pairs].all():
                self._draws.append(pairs)
            if len(self._draws) == DRAWS:
                return
        raise InputError(f"pairs: {len(names)} persons are too few for an interval of the difference")

    def changes(
        self, values: Sequence[float], differences: Callable[[NDArray[np.int64]], Sequence[float]], total: int
    ) -> tuple[Change, ...]:
        """Return differences with their intervals.

        Parameters
        ----------
        values : sequence of float
            Of all pairs.
        differences : callable
            The same on the pairs of some positions, which may repeat.
        total : int
            Pairs that the differences are shares of. Where draws show no spread, the interval is the rule of
            three's, ``3 / total`` either way.
        """
        drawn = np.array([differences(pairs) for pairs in self._draws], np.float64)
        return tuple(_change(value, column, total) for value, column in zip(values, drawn.T, strict=True))


def _change(value: float, drawn: NDArray[np.float64], total: int) -> Change:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail]).tolist()
    if low == high:
        bound = min(1.0, 3 / total)
        return Change(value, value - bound, value + bound)
    return Change(value, min(low, value), max(high, value))
