"""Curves as plain arrays: what the metrics return, the plots draw and the JSON files keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CmcCurve", "DirCurve", "RocCurve", "ScoreDensity"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RocCurve:
    """False and true accept rates over all thresholds, by rising FAR.

    Attributes
    ----------
    threshold : ndarray of float64, shape (K,)
        Falling; a pair is accepted iff ``score >= threshold``. The first is the next float above the
        largest score (nothing accepted), the last the smallest score (all accepted).
    far, tar : ndarray of float64, shape (K,)
        Rates in [0, 1].
    """

    threshold: Floats
    far: Floats
    tar: Floats

    @property
    def frr(self) -> Floats:
        """False reject rate, ``1 - tar``."""
        return 1.0 - self.tar


@dataclass(frozen=True)
class DirCurve:
    """Detection and identification rate (TPIR) over FPIR, by rising FPIR.

    Attributes
    ----------
    threshold, fpir, tpir : ndarray of float64, shape (K,)
        ``tpir`` counts a mated probe whose mate is within ``rank`` and scores at least ``threshold``.
    rank : int
        The rank of ``tpir``.
    """

    threshold: Floats
    fpir: Floats
    tpir: Floats
    rank: int = 1


@dataclass(frozen=True)
class CmcCurve:
    """Share of mated probes whose mate is within each rank.

    Attributes
    ----------
    rank : ndarray of int64, shape (K,)
        1, 2, ..., K.
    rate : ndarray of float64, shape (K,)
    """

    rank: NDArray[np.int64]
    rate: Floats


@dataclass(frozen=True)
class ScoreDensity:
    """Normalised histograms of genuine and impostor scores on common bins.

    Attributes
    ----------
    edges : ndarray of float64, shape (K + 1,)
    genuine, impostor : ndarray of float64, shape (K,)
        Densities: each integrates to 1 over ``edges``.
    """

    edges: Floats
    genuine: Floats
    impostor: Floats
