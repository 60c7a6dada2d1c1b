"""What networks cost on a CPU: parameters, multiply-adds, and milliseconds an image at batch 1 and 32.

Float32, 112 x 112 pixels, 512-d, head GDC, random weights, and batch normalisation that has seen images. A
Keras model is called in a `tf.function`; folded is the same after `surgery.fold_batch_norm`. Peers are the
network of the same family of keras.applications, on the same head, and onnxruntime on our network, which
fr-export has exported. The table is Markdown, for the README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import compare
import fr_export
import fr_models
import numpy as np
from compare import Contender, Run, Worker, median
from fr_export._settle import settle
from model_jobs import PREPROCESSING, pixels
from tensorflow import keras

BATCHES = (1, 32)
SCRIPT = "model_jobs.py"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
OURS, FOLDED, PEER = "fr-models", "folded", "keras.applications"
TOOLS = [
    Contender(OURS, "fr_models", variables=QUIET, script=SCRIPT),
    Contender(FOLDED, "folded", variables=QUIET, script=SCRIPT),
    Contender(PEER, "keras_applications", variables=QUIET, script=SCRIPT),
    Contender("onnxruntime", "onnxruntime", variables=QUIET, script=SCRIPT),
]
# names of `list_models`, and the classes of keras.applications beside them
MODELS = {
    "mobilefacenet": None,
    "se_mobilefacenet": None,
    "mobilenet": "MobileNet",
    "mobilenetv2": "MobileNetV2",
    "mobilenetv3_large": "MobileNetV3Large",
    "ghostnet": None,
    "ghostnetv2": None,
    "mixfacenet_s": None,
    "vargface": None,
    "edgeface_s": None,
    "efficientnetb0": "EfficientNetB0",
    "efficientnetv2b0": "EfficientNetV2B0",
    "r18": None,
    "r34": None,
    "r50": None,
    "r100": None,
    "resnet50": "ResNet50",
    "resnet101v2": "ResNet101V2",
    "vit_s": None,
    "swin_t": None,
}
QUICK = ("mobilenet", "mobilefacenet")


def measured(name: str, workers: list[Worker], folder: Path, rounds: int) -> dict[str, Any]:
    """The costs of a network, and the runs of each tool by batch size."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    described = fr_models.describe(name)
    model = fr_models.create(name)
    settle(model, PREPROCESSING, pixels())
    path = folder / name
    model.save(f"{path}.keras")
    fr_export.to_onnx(model, f"{path}.onnx", preprocessing=PREPROCESSING)
    peer = MODELS[name]
    chosen = [worker for worker in workers if peer or worker.contender.name != PEER]
    tasks = [{"path": str(path), "peer": peer, "batch": batch} for batch in BATCHES]
    runs = compare.in_turn(chosen, rounds + 1, tasks)
    warm = {str(b): {tool: of[1:] for tool, of in r.items()} for b, r in zip(BATCHES, runs, strict=True)}
    return {"parameters": described.parameters, "multiply_adds": described.multiply_adds, "runs": warm}


def row(name: str, found: dict[str, Any], tools: list[str], images: int) -> str:
    def cell(runs: dict[str, list[Run]], tool: str) -> str:
        return f"{1e3 * median(runs[tool]) / images:.3g}" if tool in runs else ""

    times = [cell(runs, tool) for runs in found["runs"].values() for tool in tools]
    costs = [f"{found['parameters'] / 1e6:.2f}", f"{found['multiply_adds'] / 1e6:,.0f}"]
    return f"| {' | '.join([f'`{name}`', *costs, *times])} |"


def heading(tools: list[str]) -> str:
    times = [f"{tool}, batch {batch}" for batch in BATCHES for tool in tools]
    titles = ["ms an image", "M parameters", "M multiply-adds", *times]
    return f"| {' | '.join(titles)} |\n|---|{'---:|' * (len(titles) - 1)}"


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_models.json", rounds=5)
    contenders = compare.chosen(TOOLS, choice)
    images = np.random.default_rng(0).uniform(-1, 1, (max(BATCHES), 112, 112, 3)).astype(np.float32)
    tools = [contender.name for contender in contenders]
    results = {}
    with compare.opened(contenders, {"images": images}) as (folder, workers):
        print(heading(tools), flush=True)
        for name in QUICK if choice.quick else MODELS:
            results[name] = measured(name, workers, folder, choice.rounds)
            print(row(name, results[name], tools, len(images)), flush=True)
        versions = {package: version for w in workers for package, version in w.built["versions"].items()}
    used = ("fr-models", "tensorflow", "keras", "onnxruntime", "tf2onnx")
    print("\n" + ", ".join(f"{package} {versions[package]}" for package in used if package in versions))
    compare.write(choice.output, models=results)


if __name__ == "__main__":
    main()
