"""What an open-set identification measured: figures with their counts, as frames, plots and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fr_eval._json import rate_json
from fr_eval.curves import CmcCurve, DirCurve
from fr_eval.intervals import Rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["GalleryResult", "IdentificationResult", "TpirPoint"]


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
