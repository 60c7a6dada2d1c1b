"""From counts to results: the exact thresholds of the targets, and the rates there.

A threshold is exact or not there at all: a bracket that does not hold it is said to have missed, and can be
widened towards it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_native import _core
from fr_native._pair_shard import GENUINE, IMPOSTOR, AllPairsShard, PairProblem

__all__ = ["AllPairs", "resolve", "widened"]


@dataclass(frozen=True)
class AllPairs:
    """Rates at each target FAR over all n (n - 1) / 2 pairs; a pair is accepted iff score >= threshold.

    Attributes
    ----------
    fars : ndarray of float64, shape (F,)
        Targets.
    thresholds : ndarray of float32, shape (F,)
        The smallest score v with count(impostor >= v) / n_impostor <= far, ties whole; if there is none,
        the next float above the largest impostor score.
    tar : ndarray of float64, shape (F,)
        Share of genuine pairs accepted; NaN without genuine pairs.
    false_accepts, true_accepts : ndarray of int64, shape (F,)
    n_genuine, n_impostor : ndarray of int64, shape (F,)
        Pairs of equal, and of different ids; the same for every target.
    groups : tuple
        Names of the groups, sorted; one, None, if none were given.
    group_false_accepts, group_true_accepts : ndarray of int64, shape (F, groups, groups)
        The same counts at the same thresholds by the groups of the two rows; symmetric.
    group_n_impostor, group_n_genuine : ndarray of int64, shape (groups, groups)
    """

    fars: NDArray[np.float64]
    thresholds: NDArray[np.float32]
    tar: NDArray[np.float64]
    false_accepts: NDArray[np.int64]
    true_accepts: NDArray[np.int64]
    n_genuine: NDArray[np.int64]
    n_impostor: NDArray[np.int64]
    groups: tuple[Any, ...]
    group_false_accepts: NDArray[np.int64]
    group_true_accepts: NDArray[np.int64]
    group_n_impostor: NDArray[np.int64]
    group_n_genuine: NDArray[np.int64]


def resolve(total: AllPairsShard) -> tuple[AllPairs, NDArray[np.bool_]]:
    """Rates at the thresholds, and for which targets the bracket missed."""
    problem = total.problem
    n_groups = problem.pairs.shape[1]
    impostors_within = functools.cache(functools.partial(_impostors_within, total))
    found = [
        _threshold(problem, target, *impostors_within(int(problem.bracket_of[target])))
        for target in range(len(problem.fars))
    ]
    missed = np.array([threshold is None for threshold in found])
    thresholds = np.array([np.nan if t is None else t for t in found], dtype=np.float32)
    accepted = total.above[problem.bracket_of]
    within = functools.cache(functools.partial(_within, total))
    for target, threshold in enumerate(thresholds):
        cell, scores, counts = within(int(problem.bracket_of[target]))
        reaching = scores >= threshold
        np.add.at(accepted[target], cell[reaching], counts[reaching])
    accepted = accepted.reshape(len(problem.fars), 2, n_groups, n_groups)
    genuine, false = accepted[:, GENUINE].sum((1, 2)), accepted[:, IMPOSTOR].sum((1, 2))
    n_genuine, n_impostor = (int(problem.pairs[kind].sum()) for kind in (GENUINE, IMPOSTOR))
    tar = genuine / n_genuine if n_genuine else np.full(len(thresholds), np.nan)
    result = AllPairs(
        fars=problem.fars,
        thresholds=thresholds,
        tar=tar,
        false_accepts=false,
        true_accepts=genuine,
        n_genuine=np.full(len(thresholds), n_genuine),
        n_impostor=np.full(len(thresholds), n_impostor),
        groups=tuple(problem.groups.tolist()) or (None,),
        group_false_accepts=_symmetric(accepted[:, IMPOSTOR]),
        group_true_accepts=_symmetric(accepted[:, GENUINE]),
        group_n_impostor=_symmetric(problem.pairs[IMPOSTOR]),
        group_n_genuine=_symmetric(problem.pairs[GENUINE]),
    )
    return result, missed


def widened(
    total: AllPairsShard, missed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Open the bracket of each target that missed towards its threshold; the others stay."""
    bracket_of = total.problem.bracket_of
    low, high = total.problem.low[bracket_of], total.problem.high[bracket_of]
    for target in np.flatnonzero(missed):
        above, _, reaching = _impostors_within(total, int(bracket_of[target]))
        within_allowed = (
            len(reaching) == 0 or reaching[-1] / total.problem.n_impostor <= total.problem.fars[target]
        )
        if above / total.problem.n_impostor <= total.problem.fars[target] and within_allowed:
            low[target] = -np.inf
        else:
            high[target] = np.inf
    return low, high


def _threshold(
    problem: PairProblem, target: int, above: int, values: NDArray[np.float32], reaching: NDArray[np.int64]
) -> np.float32 | None:
    """Return the exact threshold, or None if the bracket does not hold it."""
    n, far = problem.n_impostor, problem.fars[target]
    allowed = reaching / n <= far
    complete = len(reaching) > 0 and reaching[-1] == n
    if above / n > far or (allowed.all() and not complete):
        return None
    if allowed.any():
        return np.float32(values[allowed][-1])
    return None if above > 0 else np.nextafter(values[0], np.float32(np.inf))


def _impostors_within(
    total: AllPairsShard, bracket: int
) -> tuple[int, NDArray[np.float32], NDArray[np.int64]]:
    """Impostor pairs above the bracket; the distinct scores in it, falling, and how many reach each."""
    half = total.problem.pairs[0].size
    cell, scores, counts = _within(total, bracket)
    mine = cell >= half
    values, place = np.unique(scores[mine], return_inverse=True)
    by_value = np.zeros(len(values), np.int64)
    np.add.at(by_value, place, counts[mine])
    above = int(total.above[bracket, half:].sum())
    return above, values[::-1], above + np.cumsum(by_value[::-1])


def _within(
    total: AllPairsShard, bracket: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Cells, scores and counts of the pairs inside a bracket."""
    cells = total.problem.pairs.size
    first, last = np.searchsorted(
        total.keys, np.array([bracket, bracket + 1], np.uint64) * np.uint64(cells) << np.uint64(32)
    )
    keys = total.keys[first:last]
    cell = (keys >> np.uint64(32)).astype(np.int64) - bracket * cells
    return cell, _core.scores_of_keys(keys & np.uint64(0xFFFFFFFF)), total.counts[first:last]


def _symmetric(upper: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum(upper, np.swapaxes(upper, -1, -2))
