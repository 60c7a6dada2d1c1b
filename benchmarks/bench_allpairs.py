"""TAR at six FARs over all pairs: growth with the number of faces, and beside score-analysis."""

from __future__ import annotations

from typing import Any

import compare
import fr_native
import numpy as np
from compare import Contender, Run, median
from peaks import measure_peaks

OURS = Contender("fr-native", "all_pairs_fr_native")
PEERS = [
    Contender("score-analysis", "all_pairs_score_analysis", "bench-score-analysis"),
    Contender("float32 matrix products alone", "all_pairs_matmul", "bench-search"),
]
HEADINGS = ["TAR@1e-3", "@1e-4", "@1e-5", "@1e-6", "@1e-7", "@1e-8"]
FACES_PER_SUBJECT = 10


def faces(count: int, dim: int = 512) -> dict[str, np.ndarray]:
    """Subjects' centres and noise: genuine scores of about 0.3, impostor scores of a random direction."""
    rng = np.random.default_rng(0)
    ids = np.arange(count) // FACES_PER_SUBJECT
    rows = rng.standard_normal((count, dim), dtype=np.float32)
    rows *= np.float32(1.5)
    rows += rng.standard_normal((ids[-1] + 1, dim), dtype=np.float32)[ids]
    return {"rows": rows, "ids": ids}


def beside_peers(sizes: tuple[int, ...], choice: Any) -> dict[int, dict[str, list[Run]]]:
    contenders = compare.chosen([OURS, *PEERS], choice)
    tasks = tuple({"n": n} for n in sizes)
    runs = compare.measure(contenders, faces(max(sizes)), choice.rounds, tasks)
    for n, of_size in zip(sizes, runs, strict=True):
        compare.report(f"all {n * (n - 1) // 2:,} pairs of {n:,} faces, 512-d", of_size, HEADINGS)
    return dict(zip(sizes, runs, strict=True))


def growth(sizes: tuple[int, ...], peaks: dict[str, float]) -> dict[int, list[Run]]:
    """One run a size, each in a process of its own, so that its peak memory is its own."""
    table = compare.new_table(
        "growth with the number of faces, 512-d", "s", "10^9 pairs/s", "of int8 peak", "added MB", "peak MB"
    )
    results = {}
    for n in sizes:
        results[n] = compare.measure([OURS], faces(n), 1, ({"n": n},))[0][OURS.name]
        seconds, pairs = median(results[n]), n * (n - 1) / 2
        share = f"{100 * pairs * 512 / seconds / peaks['int8_gmacs'] / 1e9:.0f} %" if peaks else "-"
        memory = [f"{median(results[n], key):.0f}" for key in ("added_mb", "peak_mb")]
        table.add_row(f"{n:,} faces", f"{seconds:.1f}", f"{pairs / seconds / 1e9:.2f}", share, *memory)
    compare.show(table)
    return results


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_allpairs.json", rounds=3)
    peaks = measure_peaks(fr_native.isa())
    peer_sizes = (1_000, 2_000) if choice.quick else (20_000, 50_000)
    grown = (1_000, 2_000, 4_000) if choice.quick else (50_000, 100_000, 200_000, 400_000)
    compare.write(
        choice.output,
        peaks=peaks,
        beside_peers=beside_peers(peer_sizes, choice),
        growth=growth(grown, peaks),
    )


if __name__ == "__main__":
    main()
