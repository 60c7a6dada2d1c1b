"""An open-set 1:N evaluation of IJB-C's size, beside score-analysis, bob.measure and Keras_insightface."""

from __future__ import annotations

import compare
import fr_native
from compare import Contender, median
from fr_eval.synthetic import IJBC_SIZE, QUICK_SIZE, synthetic_population
from peaks import measure_peaks

TOOLS = [
    Contender("fr-eval", "identify_fr_eval"),
    Contender("score-analysis", "identify_score_analysis", "bench-score-analysis"),
    Contender("Keras_insightface's form in NumPy", "identify_numpy", "bench-search"),
    Contender("bob.measure (on a NumPy matrix)", "identify_bob", "bench-bob"),
]
HEADINGS = ["G1 TPIR@.1", "@.01", "@.001", "rank 1"]


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_identify.json")
    peaks = measure_peaks(fr_native.isa())
    size = QUICK_SIZE if choice.quick else IJBC_SIZE
    population = synthetic_population(size)
    probes, probe_ids = population.probes()
    arrays = {"probes": probes, "probe_ids": probe_ids}
    for name, (rows, ids) in population.galleries().items():
        arrays |= {f"{name}_rows": rows, f"{name}_ids": ids}
    runs = compare.measure(compare.chosen(TOOLS, choice), arrays, choice.rounds)[0]
    galleries = " + ".join(f"{n:,}" for n in size.gallery)
    title = f"{size.probes:,} probes in galleries of {galleries}, {size.dim}-d: thresholds, TPIR, rank rates"
    compare.report(title, runs, HEADINGS)
    if peaks:
        multiply_adds = size.probes * sum(size.gallery) * size.dim
        seconds = median(runs["fr-eval"])
        print(
            f"fr-eval: {multiply_adds / seconds / peaks['int8_gmacs'] / 1e7:.0f} % of the int8 peak; "
            f"float32 products alone take {multiply_adds / peaks['float32_gmacs'] / 1e9:.3f} s at their peak"
        )
    compare.write(choice.output, title=title, peaks=peaks, runs=runs)


if __name__ == "__main__":
    main()
