"""What the trainer's loop costs: epochs of `fr_models.train` against Keras's bare `fit` of the same model.

The same network, losses, optimizer and batches, read from a folder of synthetic faces. Beside the step, the
trainer watches for numbers that are not finite, clips nothing, and looks after progress, signals and the
place in the data; checkpoints and evaluations at ends of epochs are left out on both sides.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import compare
from compare import Contender, Run
from fr_models.data.synthetic import SyntheticFaces

SCRIPT = "trainer_jobs.py"
NETWORKS = ("mobilenet", "mobilefacenet")
FIT, TRAINER = "Keras fit", "fr-train"


def contenders(network: str, folder: str, batch: int) -> list[Contender]:
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "BENCH_FACES": folder,
        "BENCH_NETWORK": network,
        "BENCH_BATCH": str(batch),
    }
    jobs = {FIT: "fit", TRAINER: "trainer"}
    return [Contender(name, job, variables=variables, script=SCRIPT) for name, job in jobs.items()]


def report(network: str, images: int, runs: dict[str, list[Run]]) -> None:
    table = compare.new_table(
        f"Epochs of {images} images of 112 x 112, {network}",
        "images/s",
        "median s",
        "min - max s",
        "overhead",
    )
    base = compare.median(runs[FIT])
    for name, results in runs.items():
        seconds = [run["seconds"] for run in results]
        middle = statistics.median(seconds)
        spread = f"{min(seconds):.2f} - {max(seconds):.2f}"
        table.add_row(name, f"{images / middle:.1f}", f"{middle:.2f}", spread, f"{middle / base - 1:+.1%}")
    compare.show(table)


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_trainer.json", rounds=5)
    people, each, batch = (8, 4, 8) if choice.quick else (64, 10, 64)
    written: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces"
        SyntheticFaces(identities=people, images_per_identity=each, seed=0).write(faces)
        for network in NETWORKS[: 1 if choice.quick else None]:
            runs = compare.measure(contenders(network, str(faces), batch), {}, choice.rounds + 1)[0]
            written[network] = {name: results[1:] for name, results in runs.items()}  # the first one traces
            report(network, people * each // batch * batch, written[network])
    compare.write(choice.output, batch=batch, runs=written)


if __name__ == "__main__":
    main()
