"""A training step of MobileFaceNet on a CPU: with our layers, with Keras's, and keras.applications.MobileNet.

112 x 112 pixels, batch 64, float32. Keras 3 normalises batches, and Keras computes PReLU and its gradient,
in many passes over memory; `FusedBatchNormalization` and `ChannelPReLU` give the same numbers in few. What
is left is the work of oneDNN: pointwise convolutions, for which matrix products were no faster, and
depthwise ones, which sums of shifted products under XLA did not beat. XLA for the whole step (``--all``;
Keras 3's ``compile`` chooses it unless told ``jit_compile=False``) is far slower for its depthwise
convolutions.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import compare
import numpy as np
from compare import Contender, Run

BATCH = 64
SCRIPT = "training_jobs.py"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def contender(name: str, job: str) -> Contender:
    return Contender(name, job, variables=QUIET, script=SCRIPT)


OURS = "MobileFaceNet"
TOOLS = [
    contender(OURS, "ours"),
    contender("with Keras's PReLU and batch norm", "keras_layers"),
    contender("with Keras's PReLU", "keras_prelu"),
    contender("with Keras's batch norm", "keras_batch_norm"),
]
OTHER_NUMBERS = [
    contender("with ReLU", "relu"),
    contender("keras.applications.MobileNet", "mobilenet"),
]
SLOW = [contender("in bfloat16", "bfloat16"), contender("under XLA", "xla")]


def report(batch: int, runs: dict[str, list[Run]]) -> None:
    table = compare.new_table(
        f"Training steps of {batch} images of 112 x 112",
        "images/s",
        "median s",
        "min - max s",
        f"times {OURS}",
        "peak MB",
    )
    base = compare.median(runs[OURS])
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        middle = statistics.median(seconds)
        table.add_row(
            name,
            f"{batch / middle:.1f}",
            f"{middle:.3f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{middle / base:.2f}",
            f"{compare.median(results, 'peak_mb'):.0f}",
        )
    compare.show(table)


def main() -> None:
    everything = "--all" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--all"]
    choice = compare.options(__doc__ or "", "bench_training_speed.json", rounds=5)
    batch = 8 if choice.quick else BATCH
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 112, 112, 3), dtype=np.float32)
    runs: Any = compare.measure(
        TOOLS + OTHER_NUMBERS + (SLOW if everything else []),
        {"images": images},
        choice.rounds + 1,
        ({"batch": batch},),
    )[0]
    warm = {name: results[1:] for name, results in runs.items()}
    report(batch, warm)
    compare.write(choice.output, batch=batch, runs=warm)


if __name__ == "__main__":
    main()
