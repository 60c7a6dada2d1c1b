"""What exported files cost and lose: sizes of networks, a sweep's time, and trained networks on LFW.

Sizes are of networks of 512 dimensions with the head GDC and random weights, in every kind. The sweep is the
one of 4 models, 2 heads and 2 dimensions. Two trained networks are exported and compared with their sources
by ``fr-export check``, with the 10-fold accuracy on LFW's 6,000 pairs: one of ``FR_TEST_DATA``, and the one
that ``bench_lfw.py`` distilled, if it ran here before. Calibration is on crops that are in no pair. The peer
is TensorFlow itself, on the same crops, without equalisation. The tables are Markdown, for the README.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compare
import fr_models
import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_eval.embedders.keras import load_keras
from fr_eval.images import read_image
from fr_eval.protocols import list_images, read_pairs
from fr_eval.provenance import versions
from fr_export import KINDS, to_tflite
from fr_export.sweep import sweep
from tensorflow import keras

PACKAGES = ("fr-export", "fr-models", "ai-edge-litert", "keras", "onnxruntime", "tensorflow", "tf2onnx")
# And the megabytes of float16 that Keras_insightface publishes.
NETWORKS = {
    "mobilenetv2": 5.83,
    "ghostnet": 8.17,
    "efficientnetb0": 9.40,
    "r18": None,
    "mobilenet": 7.49,
    "mobilefacenet": 1.84,
}
SWEEP = ("mobilefacenet", "mobilenetv2", "ghostnet", "mobilenet")
SIZE = (112, 112)
N_CALIBRATION = 100
DISTILLED = Path("bench_lfw") / "lfw_mobilefacenet_distilled" / "best.keras"
QUICK_PAIRS = 15  # of a class and a fold, in place of 300

Network = tuple[Any, Preprocessing]
Row = dict[str, Any]


def sizes(names: list[str], folder: Path) -> dict[str, dict[str, int]]:
    """Bytes of each network in each kind."""
    rows = sweep(names, folder, kinds=KINDS, runs=1)
    return {name: {r.kind: r.size_bytes for r in rows if r.setting.model == name} for name in names}


def sweep_seconds(folder: Path, runs: int, is_quick: bool) -> dict[str, Any]:
    models = SWEEP[:1] if is_quick else SWEEP
    begin = time.perf_counter()
    rows = sweep(models, folder, ("E", "GDC"), (256, 512), runs=runs)
    return {"combinations": len(rows), "runs": runs, "seconds": time.perf_counter() - begin}


def fr_feature(models: Path) -> Network:
    return fr_models.from_onnx(models / "fr_feature_512.onnx"), Preprocessing(SIZE, 1 / 128, 127.0, "RGB")


def distilled(models: Path) -> Network:
    """What ``bench_lfw.py`` has trained."""
    return load_keras(DISTILLED), Preprocessing.beside(DISTILLED)


TRAINED: dict[str, Callable[[Path], Network]] = {
    "fr_feature (512)": fr_feature,
    "MobileFaceNet (192), distilled": distilled,
}


def by_tensorflow_alone(network: Any, path: Path, preprocessing: Preprocessing, crops: np.ndarray) -> None:
    image = keras.Input(batch_shape=(1, *SIZE, 3))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, network(image)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([preprocessing.apply(crop[None])] for crop in crops)
    path.write_bytes(converter.convert())
    path.with_suffix(".json").write_text(json.dumps(preprocessing.to_fields()))


def exported(network: Any, preprocessing: Preprocessing, crops: np.ndarray, folder: Path) -> dict[str, Path]:
    """All kinds by name, int8 with its head in float, and int8 by TensorFlow alone."""
    files = {kind: folder / f"{kind}.tflite" for kind in KINDS}
    for kind, path in files.items():
        to_tflite(network, path, kind, preprocessing, crops)
    files["int8, float head"] = folder / "float_head.tflite"
    to_tflite(network, files["int8, float head"], "int8", preprocessing, crops, float_head=True)
    files["int8, TensorFlow alone"] = folder / "alone.tflite"
    by_tensorflow_alone(network, files["int8, TensorFlow alone"], preprocessing, crops)
    return files


def lost(build: Callable[[Path], Network], data: Path, folder: Path, pairs: Path) -> dict[str, Row]:
    """What ``fr-export check`` finds of each file of a trained network."""
    lfw = data / "lfw" / "aligned112"
    network, preprocessing = build(data / "models")
    fr_models.save(network, folder / "source.keras", preprocessing)
    files = exported(network, preprocessing, spare_crops(lfw, pairs), folder)
    command = [sys.executable, "-m", "fr_export.cli", "check", folder / "source.keras", *files.values()]
    options = ["--images", lfw, "--pairs", pairs, "--min-cosine", "-1", "-o", folder / "parity"]
    subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=True)
    rows = json.loads((folder / "parity" / "parity.json").read_text())["exported"]
    by_file = {row["file"]: row for row in rows}
    return {name: by_file[path.name] for name, path in files.items()}


def spare_crops(lfw: Path, pairs: Path) -> np.ndarray:
    """Crops of a seeded choice that are in no pair."""
    listed = read_pairs(pairs)
    spare = sorted({*list_images(lfw)} - {*listed.first, *listed.second})
    chosen = np.random.default_rng(0).permutation(len(spare))[:N_CALIBRATION]
    return np.stack([read_image(lfw / spare[position]) for position in chosen])


def fewer_pairs(pairs: Path, path: Path) -> Path:
    lines = pairs.read_text().splitlines()[1:]
    kept = [line for first in range(0, 6000, 300) for line in lines[first : first + QUICK_PAIRS]]
    path.write_text("\n".join([f"10\t{QUICK_PAIRS}", *kept]) + "\n")
    return path


def print_sizes(found: dict[str, dict[str, int]]) -> None:
    print(f"\n| network, MB | {' | '.join(KINDS)} | published |\n|---|{'---:|' * (len(KINDS) + 1)}")
    for name, bytes_of in found.items():
        published = NETWORKS[name]
        cells = [f"{bytes_of[kind] / 1e6:.2f}" for kind in KINDS]
        print(f"| {name} | {' | '.join(cells)} | {published or ''} |", flush=True)


def print_lost(name: str, rows: dict[str, Row]) -> None:
    headings = ("MB", "ms", "mean cosine", "least cosine", "accuracy", "change", "TAR at FAR 1e-3")
    print(f"\n| {name} | {' | '.join(headings)} |\n|---|{'---:|' * len(headings)}")
    before = next(iter(rows.values()))
    accuracy, tar = before["accuracy"]["before"]["mean"], tar_of(before, "before")
    print(f"| source | | | 1 | 1 | {accuracy:.4f} | | {tar} |")
    for kind, row in rows.items():
        change = row["accuracy"]["change"]
        cells = [
            f"{row['size_bytes'] / 1e6:.2f}",
            f"{row['latency_ms']:.2f}",
            f"{row['mean_cosine']:.5f}",
            f"{row['min_cosine']:.4f}",
            f"{row['accuracy']['after']['mean']:.4f}",
            f"{change['value']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f})",
            tar_of(row, "after"),
        ]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


def tar_of(row: Row, which: str) -> str:
    """The TAR at the smallest FAR, which a few pairs do not show."""
    tar = row["tar_at_far"][-1][which]["tar"]
    return "-" if tar is None else f"{tar:.4f}"


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_export.json", rounds=50)
    default = compare.HERE.parents[1] / "shared" / "data"
    data = Path(os.environ.get("FR_TEST_DATA", default))
    networks: dict[str, dict[str, Row]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if (data / "lfw" / "pairs.txt").is_file():
            pairs = data / "lfw" / "pairs.txt"
            pairs = fewer_pairs(pairs, folder / "pairs.txt") if choice.quick else pairs
            for place, (network, build) in enumerate(TRAINED.items()):
                if build is distilled and not DISTILLED.is_file():
                    print(f"{DISTILLED}: not there, bench_lfw.py writes it")
                    continue
                (folder / str(place)).mkdir()
                networks[network] = lost(build, data, folder / str(place), pairs)
                print_lost(network, networks[network])
        else:
            print(f"{data}: no LFW and no trained networks there; FR_TEST_DATA names another place")
        timed = sweep_seconds(folder / "sweep", choice.rounds, choice.quick)
        print(f"\na sweep of {timed['combinations']} combinations: {timed['seconds']:.0f} s", flush=True)
        found = sizes(["mobilefacenet"] if choice.quick else list(NETWORKS), folder / "sizes")
        print_sizes(found)
    compare.write(choice.output, networks=networks, sweep=timed, bytes=found, versions=versions(PACKAGES))


if __name__ == "__main__":
    main()
