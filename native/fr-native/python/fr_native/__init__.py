"""Exact cosine search and exact score statistics for face recognition.

Scores are cosines: float64 dot products of float32 unit rows, rounded once to float32. Results are the same
bytes for every number of threads and every instruction set. ``threads`` defaults to ``FR_NUM_THREADS`` or the
cores this process may use; ``FR_NATIVE_ISA`` forces one of ``available_isas()``. Every function releases the
GIL, answers Ctrl-C and refuses input that cannot give a right number, naming the first bad row.
"""

from fr_native._all_pairs import all_pairs, merge_shards
from fr_native._core import (
    ScoreHistogram,
    available_isas,
    far_thresholds,
    isa,
    pair_scores,
    score_counts,
    sort_scores,
    tpir,
)
from fr_native._gallery import Gallery
from fr_native._identify import Identification, identify
from fr_native._pair_rates import AllPairs
from fr_native._pair_shard import AllPairsShard

__all__ = [
    "AllPairs",
    "AllPairsShard",
    "Gallery",
    "Identification",
    "ScoreHistogram",
    "all_pairs",
    "available_isas",
    "far_thresholds",
    "identify",
    "isa",
    "merge_shards",
    "pair_scores",
    "score_counts",
    "sort_scores",
    "tpir",
]
