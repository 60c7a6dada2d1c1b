"""Open-set identification (1:N): FPIR, TPIR at ranks, DIR curve and CMC, over one or more galleries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fr_native
import numpy as np
from numpy.typing import NDArray

from fr_eval._json import rate_json
from fr_eval._validate import as_ranks, as_rates
from fr_eval.counting import SortedScores
from fr_eval.curves import CmcCurve, DirCurve
from fr_eval.errors import InputError
from fr_eval.intervals import Rate
from fr_eval.openset import GallerySearch, mate_ranks
from fr_eval.thresholds import DEFAULT_RULE, threshold_at_far

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "DEFAULT_FPIRS",
    "DEFAULT_RANKS",
    "GalleryResult",
    "IdentificationResult",
    "TpirPoint",
    "evaluate_identification",
]

DEFAULT_FPIRS = (0.1, 0.01, 0.001)
DEFAULT_RANKS = (1, 5, 10)
CMC_LENGTH = 50


@dataclass(frozen=True)
class TpirPoint:
    """The true positive identification rate (TPIR) at the threshold for a target FPIR.

    Attributes
    ----------
    fpir : float
        The target false positive identification rate.
    threshold : float
    rank : int
    identified : Rate
        Mated probes whose mate is within ``rank`` and scores at least ``threshold``.
    false_alarms : Rate
        Non-mated probes whose best score reaches the threshold: the FPIR achieved.
    """

    fpir: float
    threshold: float
    rank: int
    identified: Rate
    false_alarms: Rate

    @property
    def tpir(self) -> float:
        """Return the true positive identification rate, ``1 - FNIR``."""
        return self.identified.value

    @property
    def fnir(self) -> float:
        """Return the false negative identification rate."""
        return (self.identified.total - self.identified.count) / self.identified.total

    @property
    def fpir_achieved(self) -> float:
        """Return the false positive identification rate at the threshold."""
        return self.false_alarms.value

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "fpir": self.fpir,
            "tpir": self.tpir,
            "threshold": self.threshold,
            "fpir_achieved": self.fpir_achieved,
            "fnir": self.fnir,
            "rank": self.rank,
            "false_alarms": rate_json(self.false_alarms),
            "tpir_interval": list(self.identified.interval),
        }


@dataclass(frozen=True)
class GalleryResult:
    """One gallery's figures.

    Attributes
    ----------
    n_mated, n_nonmated, n_gallery : int
    rank : dict of int to Rate
        Mated probes whose mate is within the rank, without a threshold.
    tpir_at_fpir : tuple of TpirPoint
        At rank 1.
    dir_curve : DirCurve
    cmc : CmcCurve
    """

    n_mated: int
    n_nonmated: int
    n_gallery: int
    rank: dict[int, Rate]
    tpir_at_fpir: tuple[TpirPoint, ...]
    dir_curve: DirCurve
    cmc: CmcCurve

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "n_mated": self.n_mated,
            "n_nonmated": self.n_nonmated,
            "n_gallery": self.n_gallery,
            "rank": {str(rank): rate.value for rank, rate in self.rank.items()},
            "rank_interval": {str(rank): list(rate.interval) for rank, rate in self.rank.items()},
            "tpir_at_fpir": [point.to_json() for point in self.tpir_at_fpir],
            "dir": {
                "threshold": self.dir_curve.threshold.tolist(),
                "fpir": self.dir_curve.fpir.tolist(),
                "tpir": self.dir_curve.tpir.tolist(),
            },
            "cmc": self.cmc.rate.tolist(),
        }


@dataclass(frozen=True)
class IdentificationResult:
    """All that :func:`evaluate_identification` measured.

    Attributes
    ----------
    galleries : dict of str to GalleryResult
    ranks : tuple of int
    fpirs : tuple of float
    threshold_rule, rank_rule : str
    pooled_cmc : CmcCurve or None
        Closed-set search, in the union of the galleries, of every probe with a mate there. None when a
        subject is enrolled in two galleries.
    pooled_rank : dict of int to Rate
        Empty when ``pooled_cmc`` is None.
    """

    galleries: dict[str, GalleryResult]
    ranks: tuple[int, ...]
    fpirs: tuple[float, ...]
    threshold_rule: str
    rank_rule: str
    pooled_cmc: CmcCurve | None
    pooled_rank: dict[int, Rate]

    def mean_rank(self, rank: int) -> float:
        """Return the plain mean over galleries of the rate at a rank."""
        return float(np.mean([gallery.rank[rank].value for gallery in self.galleries.values()]))

    def mean_tpir(self, position: int) -> float:
        """Return the plain mean over galleries of the TPIR at the target of this position."""
        return float(np.mean([g.tpir_at_fpir[position].tpir for g in self.galleries.values()]))

    def pooled_tpir(self, position: int) -> Rate:
        """Return mated searches of all galleries that succeed, each at its gallery's threshold."""
        points = [g.tpir_at_fpir[position] for g in self.galleries.values()]
        return Rate(sum(p.identified.count for p in points), sum(p.identified.total for p in points))

    def to_frame(self) -> pd.DataFrame:
        """Return one row a gallery and target FPIR."""
        import pandas as pd

        rows = [
            {
                "gallery": name,
                "fpir": point.fpir,
                "tpir": point.tpir,
                "threshold": point.threshold,
                "fpir_achieved": point.fpir_achieved,
                "n_mated": gallery.n_mated,
                "n_nonmated": gallery.n_nonmated,
            }
            for name, gallery in self.galleries.items()
            for point in gallery.tpir_at_fpir
        ]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the DIR curve of each gallery."""
        from fr_eval.plots import plot_dir

        return plot_dir({name: gallery.dir_curve for name, gallery in self.galleries.items()}, ax)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        positions = range(len(self.fpirs))
        return {
            "galleries": {name: gallery.to_json() for name, gallery in self.galleries.items()},
            "mean": {
                "rank": {str(rank): self.mean_rank(rank) for rank in self.ranks},
                "tpir_at_fpir": [{"fpir": self.fpirs[i], "tpir": self.mean_tpir(i)} for i in positions],
            },
            "pooled": {
                "tpir_at_fpir": [
                    {"fpir": self.fpirs[i], "tpir": self.pooled_tpir(i).value} for i in positions
                ],
            },
            "cmc_pooled": {str(rank): rate.value for rank, rate in self.pooled_rank.items()},
        }


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
