"""Six TAR@FAR and the EER of 15.6 million scores, beside scikit-learn, bob.measure and score-analysis."""

from __future__ import annotations

import compare
import numpy as np

TOOLS = [
    compare.Contender("fr-eval", "scores_fr_eval"),
    compare.Contender("scikit-learn", "scores_sklearn"),
    compare.Contender("bob.measure", "scores_bob", "bench-bob"),
    compare.Contender("score-analysis", "scores_score_analysis", "bench-score-analysis"),
]

if __name__ == "__main__":
    options = compare.options(__doc__ or "", "bench_scores.json")
    n_impostor = 200_000 if options.quick else 15_638_932
    rng = np.random.default_rng(0)
    arrays = {
        "genuine": rng.normal(0.55, 0.14, 19_557).astype(np.float32),
        "impostor": rng.normal(0.0, 0.06, n_impostor).astype(np.float32),
    }
    tools = [tool for tool in TOOLS if not (options.only_ours and tool.environment)]
    runs = compare.measure(tools, arrays, options.rounds)
    headings = ["TAR@1e-1", "@1e-2", "@1e-3", "@1e-4", "@1e-5", "@1e-6", "EER"]
    title = f"six TAR@FAR and the EER of 19,557 genuine and {n_impostor:,} impostor scores (float32)"
    compare.report(title, runs, headings, options.output, {"n_impostor": n_impostor})
