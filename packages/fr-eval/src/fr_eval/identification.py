"""Open-set identification (1:N): FPIR, TPIR at ranks, DIR curve and CMC, over one or more galleries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import fr_native
import numpy as np
from numpy.typing import NDArray

from fr_eval._validate import as_ranks, as_rates
from fr_eval.counting import SortedScores
from fr_eval.curves import CmcCurve, DirCurve
from fr_eval.errors import InputError
from fr_eval.identification_result import GalleryResult, IdentificationResult, TpirPoint
from fr_eval.intervals import Rate
from fr_eval.openset import GallerySearch, mate_ranks
from fr_eval.thresholds import DEFAULT_RULE, threshold_at_far

__all__ = ["DEFAULT_FPIRS", "DEFAULT_RANKS", "evaluate_identification"]

DEFAULT_FPIRS = (0.1, 0.01, 0.001)
DEFAULT_RANKS = (1, 5, 10)
CMC_LENGTH = 50


def evaluate_identification(
    searches: Mapping[str, GallerySearch],
    fpirs: Iterable[float] = DEFAULT_FPIRS,
    ranks: Iterable[int] = DEFAULT_RANKS,
    threshold_rule: str = DEFAULT_RULE,
    rank_rule: str = "pessimistic",
) -> IdentificationResult:
    """Evaluate an identification system from what its probes found.

    Parameters
    ----------
    searches : mapping of gallery name to GallerySearch
        The same probes in the same order in each, from :func:`fr_eval.openset.search_galleries` or
        :func:`fr_eval.openset.search_similarity`.
    fpirs : iterable of float
        Target false positive identification rates in [0, 1].
    ranks : iterable of int
        Ranks of the closed-set rates.
    threshold_rule : str
        A name of :data:`fr_eval.thresholds.THRESHOLD_RULES` that looks at impostors alone.
    rank_rule : str
        A name of :data:`fr_eval.openset.RANK_RULES`.

    Raises
    ------
    InputError
        A gallery without mated or without non-mated probes; galleries searched with different probes.

    References
    ----------
    ISO/IEC 19795-1:2021; P. Grother et al., "Face Recognition Technology Evaluation, Part 2:
    Identification", NIST IR 8271.
    """
    targets, wanted = as_rates(fpirs, "target FPIR"), as_ranks(ranks)
    if not searches:
        raise InputError("galleries: expected at least one, got none")
    lengths = {name: search.mated.size for name, search in searches.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"galleries: expected the same probes in each, got {lengths}")
    galleries = {
        name: _evaluate_gallery(name, search, targets, wanted, threshold_rule, rank_rule)
        for name, search in searches.items()
    }
    pooled = _pooled_ranks(searches, rank_rule)
    n_union = sum(search.n_gallery for search in searches.values())
    if pooled is None:
        return IdentificationResult(galleries, wanted, targets, threshold_rule, rank_rule, None, {})
    return IdentificationResult(
        galleries,
        wanted,
        targets,
        threshold_rule,
        rank_rule,
        _cmc(pooled, n_union),
        {rank: _within(pooled, rank) for rank in wanted},
    )


def _evaluate_gallery(
    name: str,
    search: GallerySearch,
    fpirs: tuple[float, ...],
    ranks: tuple[int, ...],
    threshold_rule: str,
    rank_rule: str,
) -> GalleryResult:
    mated = search.mated
    if not mated.any():
        raise InputError(f"gallery {name}: no probe has a mate in it, so TPIR is undefined")
    if mated.all():
        raise InputError(f"gallery {name}: every probe has a mate in it, so FPIR is undefined")
    mate_rank = search.mate_rank(rank_rule)
    found = search.mate_score[mated][mate_rank <= 1]
    alarms = SortedScores.of(search.mate_score[mated], search.non_mate_score[~mated])
    points = tuple(_tpir_point(alarms, found, fpir, threshold_rule) for fpir in fpirs)
    return GalleryResult(
        alarms.n_genuine,
        alarms.n_impostor,
        search.n_gallery,
        {rank: _within(mate_rank, rank) for rank in ranks},
        points,
        _dir_curve(alarms, search.mate_score[mated], mate_rank),
        _cmc(mate_rank, search.n_gallery),
    )


def _tpir_point(alarms: SortedScores, found: NDArray[Any], fpir: float, rule: str) -> TpirPoint:
    threshold = threshold_at_far(alarms, fpir, rule)
    identified = int((found.astype(np.float64) >= threshold.accept_from).sum())
    false_alarms = int(alarms.false_accepts(threshold.accept_from))
    return TpirPoint(
        fpir,
        threshold.value,
        1,
        Rate(identified, alarms.n_genuine),
        Rate(false_alarms, alarms.n_impostor),
    )


def _dir_curve(
    alarms: SortedScores, mate_score: NDArray[Any], mate_rank: NDArray[np.float64], rank: int = 1
) -> DirCurve:
    """Return TPIR over FPIR at every distinct best score of a non-mated probe, thinned to some hundreds."""
    distinct = np.unique(alarms.impostor)[::-1]
    if distinct.size > 1000:
        distinct = distinct[np.unique(np.geomspace(1, distinct.size, 1000).astype(np.int64)) - 1]
    at = distinct.astype(np.float64)
    whole_ranks = np.ceil(mate_rank).astype(np.int64)
    tpir = fr_native.tpir(mate_score, whole_ranks, at, [rank])[0]
    return DirCurve(at, alarms.far(at), tpir, rank)


def _cmc(mate_rank: NDArray[np.float64], n_gallery: int) -> CmcCurve:
    ranks = np.arange(1, min(CMC_LENGTH, n_gallery) + 1)
    within = np.searchsorted(np.sort(mate_rank), ranks, side="right")
    return CmcCurve(ranks, within / max(mate_rank.size, 1))


def _within(mate_rank: NDArray[np.float64], rank: int) -> Rate:
    return Rate(int((mate_rank <= rank).sum()), mate_rank.size)


def _pooled_ranks(searches: Mapping[str, GallerySearch], rank_rule: str) -> NDArray[np.float64] | None:
    """Return the mates' ranks in the union of the galleries, one a probe that has a mate in any.

    None when a subject is enrolled in two galleries: their counts would not add up.
    """
    enrolled = np.concatenate([search.subjects for search in searches.values()])
    if np.unique(enrolled).size < enrolled.size:
        return None
    mated = np.any([search.mated for search in searches.values()], axis=0)
    above = np.sum([search.above for search in searches.values()], axis=0)
    tied = np.sum([search.tied for search in searches.values()], axis=0)
    return mate_ranks(above[mated], tied[mated], rank_rule)
