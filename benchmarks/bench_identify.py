"""A whole open-set 1:N evaluation of IJB-C's size from template embeddings, beside score-analysis and bob."""

from __future__ import annotations

import compare
from fr_eval.synthetic import IJBC_SIZE, QUICK_SIZE, synthetic_population

TOOLS = [
    compare.Contender("fr-eval", "identify_fr_eval"),
    compare.Contender("score-analysis", "identify_score_analysis", "bench-score-analysis"),
    compare.Contender("bob.measure", "identify_bob", "bench-bob"),
]

if __name__ == "__main__":
    options = compare.options(__doc__ or "", "bench_identify.json")
    size = QUICK_SIZE if options.quick else IJBC_SIZE
    population = synthetic_population(size)
    probes, probe_ids = population.probes()
    arrays = {"probes": probes, "probe_ids": probe_ids}
    for name, (rows, ids) in population.galleries().items():
        arrays |= {f"{name}_rows": rows, f"{name}_ids": ids}
    tools = [tool for tool in TOOLS if not (options.only_ours and tool.environment)]
    runs = compare.measure(tools, arrays, options.rounds)
    headings = ["G1 TPIR@.1", "@.01", "@.001", "rank 1"]
    galleries = " + ".join(f"{n:,}" for n in size.gallery)
    title = f"{size.probes:,} probes in galleries of {galleries}, {size.dim}-d: thresholds, TPIR, rank rates"
    compare.report(title, runs, headings, options.output, {"probes": size.probes, "gallery": size.gallery})
