from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

class Gallery:
    """Rows packed once for exact cosine top-k search; see ``Gallery``."""

    def __init__(
        self, embeddings: NDArray[Any], axes: NDArray[np.float32] | None, *, threads: int | None = None
    ) -> None: ...
    def search(
        self, queries: NDArray[Any], k: int, *, threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
    def __len__(self) -> int: ...
    @property
    def dim(self) -> int: ...

class ScoreHistogram:
    """Exact FAR thresholds of float32 scores that arrive in shards, in any order, in bounded memory."""

    def __init__(self) -> None: ...
    def update(self, scores: NDArray[Any], *, threads: int | None = None) -> None: ...
    def merge(self, other: ScoreHistogram) -> None: ...
    def refine(self, fars: ArrayLike) -> ScoreHistogram: ...
    def far_thresholds(self, fars: ArrayLike) -> NDArray[np.float32]: ...
    def __len__(self) -> int: ...
    @property
    def refined(self) -> bool: ...

class PairCounter:
    """Counts of all pairs around score brackets, by strips of pairs; see ``all_pairs``."""

    strip_rows: ClassVar[int]

    def __init__(
        self,
        embeddings: NDArray[Any],
        ids: NDArray[np.int64],
        groups: NDArray[np.int64],
        n_groups: int,
        axes: NDArray[np.float32] | None,
        *,
        threads: int | None = None,
    ) -> None: ...
    def count(
        self,
        strips: NDArray[np.int64],
        low: NDArray[np.float32],
        high: NDArray[np.float32],
        *,
        threads: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]: ...
    @property
    def strips(self) -> int: ...

def scores_of_keys(keys: NDArray[np.uint64]) -> NDArray[np.float32]: ...
def identify(
    probes: NDArray[Any],
    gallery: NDArray[Any],
    probe_ids: ArrayLike,
    gallery_ids: ArrayLike,
    k: int = 1,
    *,
    per_template: bool = False,
    mate_elsewhere: NDArray[Any] | None = None,
    threads: int | None = None,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.float32],
    NDArray[np.int64],
]: ...
def pair_scores(
    embeddings: NDArray[Any],
    i: ArrayLike,
    j: ArrayLike,
    *,
    threads: int | None = None,
) -> NDArray[np.float32]: ...
def sort_scores(scores: NDArray[Any], *, threads: int | None = None) -> NDArray[Any]: ...
def far_thresholds(
    impostor: NDArray[Any], fars: ArrayLike, *, threads: int | None = None
) -> NDArray[Any]: ...
def score_counts(
    genuine: NDArray[Any],
    impostor: NDArray[Any],
    thresholds: ArrayLike,
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def tpir(
    mate_scores: NDArray[Any],
    mate_ranks: ArrayLike,
    thresholds: ArrayLike,
    ranks: ArrayLike,
    *,
    threads: int | None = None,
) -> NDArray[np.float64]: ...
def available_isas() -> list[str]: ...
def isa() -> str: ...
