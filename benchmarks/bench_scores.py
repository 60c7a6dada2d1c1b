"""Six TAR@FAR, EER and AUC of 15.6 and 100 million scores, and the scores of 15.6 million listed pairs."""

from __future__ import annotations

from typing import Any

import compare
import fr_native
import numpy as np
from compare import Contender, median
from peaks import measure_peaks

SCORE_TOOLS = [
    Contender("fr-eval", "scores_fr_eval"),
    Contender("scikit-learn", "scores_sklearn"),
    Contender("bob.measure, sorted", "scores_bob", "bench-bob"),
    Contender("score-analysis", "scores_score_analysis", "bench-score-analysis"),
]
COUNTS_ONLY = [Contender("fr-native, no sort", "scores_fr_native")]
PAIR_TOOLS = [
    Contender("fr-native", "pair_scores_fr_native"),
    Contender("numpy", "pair_scores_numpy", "bench-search"),
]
FIGURES = ["TAR@1e-1", "@1e-2", "@1e-3", "@1e-4", "@1e-5", "@1e-6", "EER", "AUC"]
TEMPLATES = 23_124


def score_arrays(n_impostor: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "genuine": rng.normal(0.55, 0.14, 19_557).astype(np.float32),
        "impostor": rng.normal(0.0, 0.06, n_impostor).astype(np.float32),
    }


def run_scores(n_impostor: int, tools: list[Contender], choice: Any, peaks: dict[str, float]) -> dict:
    runs = compare.measure(compare.chosen(tools, choice), score_arrays(n_impostor), choice.rounds)[0]
    size_mb = 4 * (n_impostor + 19_557) / 2**20
    title = f"19,557 genuine and {n_impostor:,} impostor scores (float32, {size_mb:.0f} MB)"
    compare.report(title, runs, FIGURES)
    for name in ("fr-eval", COUNTS_ONLY[0].name):
        if peaks and name in runs:
            rate = 4 * n_impostor / median(runs[name]) / 1e9
            print(f"{name}: {rate:.2f} GB of scores a second, memory reads {peaks['read_gbs']:.0f} GB/s")
    return runs


def run_pairs(n_pairs: int, choice: Any, peaks: dict[str, float]) -> dict:
    rng = np.random.default_rng(1)
    arrays = {
        "rows": rng.standard_normal((TEMPLATES, 512), dtype=np.float32),
        "first": rng.integers(0, TEMPLATES, n_pairs),
        "second": rng.integers(0, TEMPLATES, n_pairs),
    }
    runs = compare.measure(compare.chosen(PAIR_TOOLS, choice), arrays, min(3, choice.rounds))[0]
    compare.report(f"scores of {n_pairs:,} random pairs of {TEMPLATES:,} rows, 512-d", runs, ["mean"])
    if peaks:
        rate = n_pairs * 2 * 512 * 4 / median(runs["fr-native"]) / 1e9
        print(f"fr-native: {rate:.1f} GB of rows a second, memory reads {peaks['read_gbs']:.0f} GB/s")
    return runs


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_scores.json")
    peaks = measure_peaks(fr_native.isa())
    sizes = (200_000, 400_000) if choice.quick else (15_638_932, 100_000_000)
    results = {
        f"{sizes[0]} scores": run_scores(sizes[0], SCORE_TOOLS + COUNTS_ONLY, choice, peaks),
        f"{sizes[1]} scores": run_scores(sizes[1], SCORE_TOOLS[:1] + COUNTS_ONLY, choice, peaks),
        "pairs": run_pairs(200_000 if choice.quick else 15_658_489, choice, peaks),
    }
    compare.write(choice.output, peaks=peaks, runs=results)


if __name__ == "__main__":
    main()
