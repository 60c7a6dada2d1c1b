"""The counting core: every rate in fr-eval is a count of scores at a threshold, taken here.

The law: scores are similarities, and a pair is accepted iff ``score >= threshold``. With M genuine and N
impostor scores,

    false_accepts(t) = |{impostor >= t}|        FAR(t) = false_accepts(t) / N
    false_rejects(t) = |{genuine  <  t}|        FRR(t) = false_rejects(t) / M

so a score equal to the threshold is accepted, in both classes, always. Two equal scores are never told apart:
a threshold takes a group of ties whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import fr_native
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval._validate import Scores, as_scores
from fr_eval.errors import InputError

__all__ = ["SortedScores", "next_above", "round_up_to"]

Counts = NDArray[np.int64]


def next_above(score: float | np.floating, dtype: np.dtype) -> float:
    """Return the next float above ``score`` in the scores' own precision."""
    return float(np.nextafter(dtype.type(score), dtype.type(np.inf)))


def round_up_to(thresholds: ArrayLike, dtype: np.dtype) -> Scores:
    """Return the smallest values of ``dtype`` that are >= ``thresholds``.

    A float32 score is >= a float64 threshold exactly when it is >= the threshold rounded up to float32.
    """
    exact = np.asarray(thresholds, dtype=np.float64)
    rounded = exact.astype(dtype)
    below = rounded.astype(np.float64) < exact
    return np.where(below, np.nextafter(rounded, dtype.type(np.inf)), rounded)


@dataclass(frozen=True)
class SortedScores:
    """Genuine and impostor scores, each ascending: counts at any threshold by binary search.

    Attributes
    ----------
    genuine : ndarray of float32 or float64, shape (M,)
    impostor : ndarray of the same dtype, shape (N,)
    """

    genuine: Scores
    impostor: Scores

    @classmethod
    def of(cls, genuine: ArrayLike, impostor: ArrayLike) -> SortedScores:
        """Sort scores of any order.

        Parameters
        ----------
        genuine : array of float, shape (M,)
        impostor : array of float, shape (N,)
            Both stay float32 if both are; otherwise both become float64.

        Raises
        ------
        InputError
            An empty class, NaN, more than one dimension, or an impostor score of +inf, which no threshold
            rejects.
        """
        genuine_scores = as_scores(genuine, "genuine")
        impostor_scores = as_scores(impostor, "impostor")
        dtype = np.result_type(genuine_scores, impostor_scores)
        ordered = cls(
            fr_native.sort_scores(genuine_scores.astype(dtype, copy=False)),
            fr_native.sort_scores(impostor_scores.astype(dtype, copy=False)),
        )
        if np.isposinf(ordered.impostor[-1]):
            raise InputError("impostor scores: the largest is +inf, which no threshold rejects")
        return ordered

    @property
    def n_genuine(self) -> int:
        """Number of genuine scores, M."""
        return self.genuine.size

    @property
    def n_impostor(self) -> int:
        """Number of impostor scores, N."""
        return self.impostor.size

    def false_accepts(self, thresholds: ArrayLike) -> Counts:
        """Count impostor scores >= each threshold."""
        at = round_up_to(thresholds, self.impostor.dtype)
        return self.n_impostor - np.searchsorted(self.impostor, at, side="left")

    def false_rejects(self, thresholds: ArrayLike) -> Counts:
        """Count genuine scores < each threshold."""
        at = round_up_to(thresholds, self.genuine.dtype)
        return np.asarray(np.searchsorted(self.genuine, at, side="left"))

    def far(self, thresholds: ArrayLike) -> NDArray[np.float64]:
        """Return the false accept rate at each threshold."""
        return self.false_accepts(thresholds) / self.n_impostor

    def frr(self, thresholds: ArrayLike) -> NDArray[np.float64]:
        """Return the false reject rate at each threshold."""
        return self.false_rejects(thresholds) / self.n_genuine

    def tar(self, thresholds: ArrayLike) -> NDArray[np.float64]:
        """Return the true accept rate at each threshold."""
        return (self.n_genuine - self.false_rejects(thresholds)) / self.n_genuine

    def largest(self) -> float:
        """Return the largest score of both classes."""
        return float(max(self.genuine[-1], self.impostor[-1]))

    def smallest(self) -> float:
        """Return the smallest score of both classes."""
        return float(min(self.genuine[0], self.impostor[0]))

    def distinct(self) -> Scores:
        """Return the distinct scores of both classes, ascending."""
        return np.union1d(self.genuine, self.impostor)
