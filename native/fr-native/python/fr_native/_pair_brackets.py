"""Brackets of scores that hold the thresholds, from a uniform sample of impostor pairs.

A bracket holds the threshold of its target unless the sample deviates by 8 standard deviations or pairs tie;
a set of no more impostor pairs than the sample has one bracket, of all scores. The sample is seeded: shards
counted apart add up because the same rows and ids give the same brackets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fr_native import _core

__all__ = ["bracketed", "united"]

_SMALLEST_SAMPLE, _LARGEST_SAMPLE = 1 << 18, 1 << 22
_PAIRS_A_DRAW = 1 << 10
_DRAWS_AT_ONCE = 1 << 20
_SEED = 20260
_STANDARD_DEVIATIONS = 8.0


def bracketed(
    rows: NDArray[np.float32],
    subjects: NDArray[np.int64],
    fars: NDArray[np.float64],
    n_impostor: int,
    threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest score of each target's bracket; brackets may overlap."""
    sample = _sample(rows, subjects, _sample_size(n_impostor), threads)
    return _brackets(sample, fars, len(rows) * (len(rows) - 1) // 2)


def united(
    low: NDArray[np.float32], high: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Unite the targets' brackets where they overlap: the bracket of each target, and the ascending ends."""
    ascending = np.argsort(low, kind="stable")
    reached = np.maximum.accumulate(high[ascending])
    begins = np.concatenate([[True], low[ascending][1:] > reached[:-1]])
    bracket_of = np.empty(len(low), np.int64)
    bracket_of[ascending] = np.cumsum(begins) - 1
    ends = np.concatenate([begins[1:], [True]])
    return bracket_of, low[ascending][begins], reached[ends]


def _sample_size(n_impostor: int) -> int:
    return min(max(n_impostor // _PAIRS_A_DRAW, _SMALLEST_SAMPLE), _LARGEST_SAMPLE)


def _sample(
    rows: NDArray[np.float32], subjects: NDArray[np.int64], size: int, threads: int | None
) -> NDArray[np.float32]:
    """Ascending scores of impostor pairs drawn uniformly, with replacement."""
    order = np.argsort(subjects, kind="stable")
    sizes = np.bincount(subjects)
    begin = (np.cumsum(sizes) - sizes)[subjects[order]]
    own = sizes[subjects[order]]
    others = np.cumsum(len(rows) - own)
    rng = np.random.default_rng(_SEED)
    scores = np.empty(size, np.float32)
    for start in range(0, size, _DRAWS_AT_ONCE):
        drawn = rng.integers(0, others[-1], min(_DRAWS_AT_ONCE, size - start))
        first = np.searchsorted(others, drawn, side="right")
        second = drawn - (others[first] - (len(rows) - own[first]))
        second = np.where(second < begin[first], second, second + own[first])
        pairs = _core.pair_scores(rows, order[first], order[second], threads=threads)
        scores[start : start + len(drawn)] = pairs
    scores.sort()
    return scores


def _brackets(
    sample: NDArray[np.float32], fars: NDArray[np.float64], n_pairs: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores between which the thresholds lie unless the sample deviates by 8 standard deviations."""
    if n_pairs <= len(sample):
        return np.full(len(fars), -np.inf, np.float32), np.full(len(fars), np.inf, np.float32)
    above = fars * len(sample)
    spread = _STANDARD_DEVIATIONS * np.sqrt(above * (1 - fars) + 1) + _STANDARD_DEVIATIONS**2
    most = np.ceil(above + spread).astype(np.int64)
    least = np.floor(above - spread).astype(np.int64)
    last = len(sample) - 1
    low = np.where(most > last, -np.inf, sample[np.clip(last - most, 0, last)])
    tied_with = sample[np.clip(last - least, 0, last)]
    next_distinct = np.searchsorted(sample, tied_with, side="right")
    no_higher = (least < 0) | (next_distinct > last)
    high = np.where(no_higher, np.inf, sample[np.minimum(next_distinct, last)])
    return low.astype(np.float32), high.astype(np.float32)
