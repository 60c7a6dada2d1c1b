"""Loss and gradients of a head of many classes: time, and memory beyond the class matrix and its gradient.

ArcFace, 512-d, float32 unless it says bfloat16 (products of bfloat16 operands, sums in float32). Peers are
Keras_insightface's form (one-hot labels) and the usual gather and scatter, both in TensorFlow. Then whole
steps of training with momentum on a million classes.
"""

from __future__ import annotations

import statistics
from typing import Any

import compare
import fr_native
import numpy as np
from compare import Contender, Run, median
from peaks import measure_peaks

WIDTH = 512
CLASSES = (10_575, 85_742, 360_232, 1_000_000)
BATCHES = (64, 256)
SCRIPT = "head_jobs.py"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
MIB = 2**20
# oneDNN's allocator, TensorFlow's default, keeps 0.26 GB of a step of a million classes that are of no use.
LEAN_ALLOCATOR = {"TF_ENABLE_ONEDNN_OPTS": "0"}


def contender(name: str, job: str, **variables: str) -> Contender:
    return Contender(name, job, variables=QUIET | variables, script=SCRIPT)


OURS = "fr-tf-ops"
TOOLS = [
    contender(OURS, "op"),
    contender(f"{OURS}, bfloat16", "op_bfloat16"),
    contender("fr-losses, TensorFlow", "chunks"),
    contender("fr-losses, TensorFlow, XLA", "chunks_xla"),
    contender("sparse labels", "sparse"),
    contender("one-hot labels", "one_hot"),
]
STEPS = [
    contender(OURS, "step_op", **LEAN_ALLOCATOR),
    contender(f"{OURS}, bfloat16", "step_op_bfloat16", **LEAN_ALLOCATOR),
    contender("PartialFC 0.1", "step_partial", **LEAN_ALLOCATOR),
]
LEAN = 3  # of them, the first ones
LARGEST_DENSE = 400_000  # beyond, all of them together are too much for 24 GB


def arrays(classes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((classes, WIDTH), dtype=np.float32)
    labels = rng.integers(0, classes, max(BATCHES)).astype(np.int32)
    embeddings = weights[labels] + 1.5 * rng.standard_normal((max(BATCHES), WIDTH), dtype=np.float32)
    return {"weights": weights, "embeddings": embeddings.astype(np.float32), "labels": labels}


def run_heads(classes: int, choice: Any, peaks: dict[str, float]) -> dict[str, dict[str, list[Run]]]:
    tools = TOOLS if classes <= LARGEST_DENSE else TOOLS[:LEAN]
    tasks = tuple({"batch": batch} for batch in BATCHES)
    measured = compare.measure(tools, arrays(classes), choice.rounds + 1, tasks)
    results = {}
    for batch, runs in zip(BATCHES, measured, strict=True):
        warm = {name: of_tool[1:] for name, of_tool in runs.items()}
        report(f"{classes:,} classes, batch {batch}: loss and gradients", classes, batch, warm, peaks)
        results[f"{classes} classes, batch {batch}"] = warm
    return results


def report(title: str, classes: int, batch: int, runs: dict[str, list[Run]], peaks: dict[str, float]) -> None:
    table = compare.new_table(
        title, "median s", "min - max s", f"times {OURS}", "of float32 peak", "extra MB", "loss"
    )
    gradient_mb = classes * WIDTH * 4 / MIB
    products = 4 * classes * batch * WIDTH
    base = median(runs[OURS])
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        middle = statistics.median(seconds)
        share = products / middle / 1e9 / peaks["float32_gmacs"] if peaks else float("nan")
        extra = median(results, "peak_mb") - results[0]["built_mb"] - gradient_mb
        table.add_row(
            name,
            f"{middle:.3f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{middle / base:.2f}",
            f"{100 * share:.0f} %",
            f"{extra:.0f}",
            f"{results[0]['figures'][0]:.4f}",
        )
    compare.show(table)


def run_steps(classes: int, choice: Any) -> dict[str, list[Run]]:
    inputs = arrays(1000) | {"classes": np.array([classes])}
    inputs["labels"] = np.random.default_rng(1).integers(0, classes, max(BATCHES)).astype(np.int32)
    del inputs["weights"]
    runs = compare.measure(STEPS, inputs, choice.rounds + 1, ({"batch": 256},))[0]
    warm = {name: results[1:] for name, results in runs.items()}
    table = compare.new_table(
        f"{classes:,} classes, batch 256: a training step with momentum",
        "median s",
        f"times {OURS}",
        "peak GB",
    )
    for name, results in warm.items():
        seconds = median(results)
        relative = f"{seconds / median(warm[OURS]):.2f}"
        table.add_row(name, f"{seconds:.3f}", relative, f"{median(results, 'peak_mb') * MIB / 1e9:.2f}")
    compare.show(table)
    return warm


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_head.json", rounds=5)
    peaks = measure_peaks(fr_native.isa())
    results = {}
    for classes in (2_000, 5_000) if choice.quick else CLASSES:
        results |= run_heads(classes, choice, peaks)
    steps = run_steps(20_000 if choice.quick else 1_000_000, choice)
    compare.write(choice.output, peaks=peaks, heads=results, steps=steps)


if __name__ == "__main__":
    main()
