"""Exact cosine top-k beside FAISS IndexFlatIP, usearch, NumPy and scikit-learn.

Indexes are built beforehand, except where the title says so. Every tool may use all cores this process may
use; FAISS shares out queries, so it answers a single one on one core.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import compare
import fr_native
import numpy as np
from compare import Contender, Run, median
from fr_native._axes import principal_axes
from peaks import measure_peaks

OURS, FAISS = "fr-native", "faiss"
SEARCH = "bench-search"
FIRST_TWO = [Contender(OURS, "topk_fr_native"), Contender(FAISS, "topk_faiss", SEARCH)]
OTHERS = [
    Contender("usearch", "topk_usearch", SEARCH),
    Contender("numpy", "topk_numpy", SEARCH),
    Contender("scikit-learn", "topk_sklearn", SEARCH),
]
WITH_BUILDING = [
    Contender(OURS, "topk_fr_native_and_build"),
    Contender(FAISS, "topk_faiss_and_build", SEARCH),
]
AVX2 = [
    Contender(f"{OURS}, AVX2", "topk_fr_native", variables={"FR_NATIVE_ISA": "avx2"}),
    Contender("numpy, AVX2", "topk_numpy", SEARCH, variables={"OPENBLAS_CORETYPE": "Haswell"}),
]
KS = (1, 10, 100)
K = 10
ROUNDS_OF_OTHERS = 3


@dataclass
class Case:
    """Queries against a gallery."""

    name: str
    queries: np.ndarray
    gallery: np.ndarray

    @property
    def title(self) -> str:
        return f"{len(self.queries):,} x {len(self.gallery):,}, {self.gallery.shape[1]}-d, {self.name}"

    @property
    def multiply_adds(self) -> float:
        return float(len(self.queries)) * self.gallery.size

    @cached_property
    def share_on_axes(self) -> float:
        """Of the dimensions: those that fr-native bounds scores by."""
        axes = principal_axes(self.gallery)
        return 1.0 if axes is None else len(axes) / self.gallery.shape[1]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"queries": self.queries, "gallery": self.gallery}


def random_rows(count: int, seed: int, dim: int = 512) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def cases(quick: bool) -> Iterator[Case]:
    sizes = [(500, 2_000)] if quick else [(19_593, 3_531), (1_000, 1_000_000), (4_000, 500_000)]
    for queries, gallery in sizes:
        yield Case("random", random_rows(queries, 1), random_rows(gallery, 0))
    data = Path(os.environ.get("FR_TEST_DATA", compare.HERE.parents[1] / "shared" / "data"))
    lfw = data / "embeddings" / "lfw_mobilefacenet192.npz"
    if lfw.exists():
        rows = np.load(lfw)["embeddings"][: 1_000 if quick else None]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        yield Case("LFW embeddings", rows, rows)


def share_of_peak(contender: str, case: Case, rate: float, peaks: dict[str, float]) -> str:
    ours = contender.startswith(OURS)
    peak = peaks.get("int8_gmacs" if ours else "float32_gmacs")
    if ours:
        rate *= case.share_on_axes
    return f"{100 * rate / peak:.0f} %" if peak else "-"


def table_of(case: Case, by_k: dict[int, dict[str, list[Run]]], peaks: dict[str, float]) -> None:
    """Seconds by k, and for k = 10 the rate, and its share of the machine's int8 or float32 peak."""
    table = compare.new_table(
        case.title,
        *[f"k = {k}" for k in by_k],
        f"times {OURS}",
        "10^9 multiply-adds/s",
        "of peak",
        "added MB",
    )
    first, *_ = by_k[K]
    for name, runs in by_k[K].items():
        seconds = [f"{median(of_k[name]):.3f}" if of_k.get(name) else "" for of_k in by_k.values()]
        rate = case.multiply_adds / median(runs) / 1e9
        share = share_of_peak(name, case, rate, peaks)
        added = f"{median(runs, 'added_mb'):.0f}"
        ratio = f"{median(runs) / median(by_k[K][first]):.2f}"
        table.add_row(name, *seconds, ratio, f"{rate:.0f}", share, added)
    compare.show(table)


def breakdown(case: Case, seconds: float, peaks: dict[str, float]) -> str:
    """What keeps a search from the int8 peak."""
    if not peaks:
        return "no peaks known for this instruction set"
    bounded = case.multiply_adds * case.share_on_axes / 1e9
    at_peak = bounded / peaks["int8_gmacs"]
    of_tiles = bounded / peaks["tile_gmacs"]
    best = case.multiply_adds / peaks["float32_gmacs"] / 1e9
    return (
        f"{OURS}, k = {K}: {seconds:.3f} s = {at_peak:.3f} s at the int8 peak "
        f"on {case.share_on_axes * case.gallery.shape[1]:.0f} axes "
        f"+ {of_tiles - at_peak:.3f} s of tiles below it + {seconds - of_tiles:.3f} s for queries to int8, "
        f"candidates, float32 and float64 scores, memory. A float32 search takes {best:.3f} s at least."
    )


def run_case(case: Case, choice: Any, peaks: dict[str, float]) -> dict[str, Any]:
    tasks = tuple({"k": k} for k in KS)
    runs = compare.measure(compare.chosen(FIRST_TWO, choice), case.arrays(), choice.rounds, tasks)
    by_k = dict(zip(KS, runs, strict=True))
    if not choice.only_ours:
        slow = compare.measure(OTHERS, case.arrays(), min(ROUNDS_OF_OTHERS, choice.rounds), ({"k": K},))
        by_k[K] |= slow[0]
    table_of(case, by_k, peaks)
    text = breakdown(case, median(by_k[K][OURS]), peaks)
    print(text + "\n")
    return {"runs": by_k, "breakdown": text}


def run_two(
    what: str, contenders: list[Contender], case: Case, choice: Any, rounds: int
) -> dict[str, list[Run]]:
    """Two tools under the same conditions."""
    runs = compare.measure(compare.chosen(contenders, choice), case.arrays(), rounds, ({"k": K},))[0]
    compare.report(f"{case.title}: {what}, k = {K}", runs, ["best", f"{K}th"])
    return runs


def run_single_queries(case: Case, choice: Any) -> dict[str, list[Run]]:
    """Latency: the queries one after the other."""
    few = 16
    arrays = {"queries": case.queries[:few], "gallery": case.gallery, "single": np.zeros(1)}
    contenders = compare.chosen([*FIRST_TWO, OTHERS[1]], choice)
    runs = compare.measure(contenders, arrays, choice.rounds, ({"k": K},))
    table = compare.new_table(f"one query in {len(case.gallery):,}, k = {K}", "ms", "GB/s of int8 or float32")
    for name, results in runs[0].items():
        seconds = median(results) / few
        read = case.gallery.size * (1 if name == OURS else 4) / seconds / 1e9
        table.add_row(name, f"{1000 * seconds:.1f}", f"{read:.1f}")
    compare.show(table)
    return runs[0]


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_topk.json", rounds=7)
    peaks = measure_peaks(fr_native.isa())
    print(f"peaks of {compare.CORES} cores: {peaks}\n")
    results: dict[str, Any] = {}
    for case in cases(choice.quick):
        results[case.title] = run_case(case, choice, peaks)
        if "avx2" in fr_native.available_isas():
            rounds = min(ROUNDS_OF_OTHERS, choice.rounds)
            results[case.title]["avx2"] = run_two("AVX2 only", AVX2, case, choice, rounds)
        if len(case.gallery) == 1_000_000:
            built = run_two("building included", WITH_BUILDING, case, choice, choice.rounds)
            results[case.title]["with_building"] = built
            results[case.title]["single"] = run_single_queries(case, choice)
    compare.write(choice.output, isa=fr_native.isa(), peaks=peaks, cases=results)


if __name__ == "__main__":
    main()
