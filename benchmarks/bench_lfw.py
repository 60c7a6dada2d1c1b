"""What a MobileFaceNet learns from LFW's crops in 25 minutes on two cores: the packaged recipes of LFW.

View 2's folds share no people. The networks learn from the people who are in no pair of folds 8 to 10, from
scratch and from the embeddings of ``MobileFaceNet.tflite``, and are tested with mirror images on the 1,800
pairs of these folds; thresholds are those of the other two folds. A run's minutes are those of its whole
command, evaluations and all. The crops, pairs and teacher are those of ``FR_TEST_DATA`` (default
``../shared/data``).
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import compare
import yaml

DATA = Path(os.environ.get("FR_TEST_DATA", compare.HERE.parents[1] / "shared" / "data"))
CROPS, PAIRS = DATA / "lfw" / "aligned112", DATA / "lfw" / "pairs.txt"
TEST_FOLDS = [8, 9, 10]
EVERY_EPOCHS = 3  # an evaluation takes a quarter of an epoch
RECIPES = {"from scratch": "lfw_mobilefacenet", "distilled": "lfw_mobilefacenet_distilled"}


def command(package: str, *arguments: object) -> float:
    """Run a command line of this environment and return its minutes."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", f"{package}.cli", *map(str, arguments)], check=True)
    return (time.monotonic() - begin) / 60


def trained(recipe: str, data: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """Train by a packaged recipe; its minutes, and the rows of its history."""
    lfw = {"path": str(PAIRS), "kind": "pairs", "images": str(CROPS), "folds": TEST_FOLDS}
    evaluate = {"sets": {"lfw": lfw}, "best": "lfw.accuracy", "every_epochs": EVERY_EPOCHS}
    path = folder / f"{recipe}.yaml"
    path.write_text(yaml.safe_dump({"base": recipe, "evaluate": evaluate}))
    one = ["--set", "stages.0.epochs=1", "--set", "stages.1.epochs=1"] if quick else []
    minutes = command("fr_models.train", "run", path, "--data", data, "-o", folder / recipe, *one)
    with (folder / recipe / "history.csv").open() as file:
        return {"minutes": minutes, "history": list(csv.DictReader(file))}


def figures(row: dict[str, str]) -> list[str]:
    accuracy, deviation, auc, tar = (
        float(row[f"lfw.{name}"]) for name in ("accuracy", "accuracy_std", "auc", "tar@0.01")
    )
    return [f"{accuracy:.4f} ± {deviation:.4f}", f"{auc:.4f}", f"{tar:.3f}"]


def report(runs: dict[str, dict[str, Any]]) -> None:
    """Print the last epoch of each run: none is chosen by its figures."""
    table = compare.new_table("1,800 pairs of LFW", "epochs", "minutes", "accuracy", "AUC", "TAR at FAR 1e-2")
    for name, run in runs.items():
        last = run["history"][-1]
        table.add_row(name, last["epoch"], f"{run['minutes']:.1f}", *figures(last))
    compare.show(table)


def plot(runs: dict[str, dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure((6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, run in runs.items():
        measured = [row for row in run["history"] if row["lfw.accuracy"]]
        axes.plot(
            [int(row["epoch"]) for row in measured],
            [float(row["lfw.accuracy"]) for row in measured],
            marker="o",
            label=name,
        )
    axes.set(xlabel="epoch", ylabel="accuracy on LFW, folds 8 to 10")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    choice = compare.options(__doc__ or "", "bench_lfw.json", rounds=1)
    if not PAIRS.is_file():
        print(f"{DATA}: no LFW there; FR_TEST_DATA names another place")
        return
    folder = choice.output.resolve().with_suffix("")
    if folder.exists():
        sys.exit(f"{folder}: is there already, expected a new folder; --output names another file beside it")
    folder.mkdir()
    sides = ["--train", folder / "train.npz", "--test", folder / "test.npz"]
    folds = ",".join(map(str, TEST_FOLDS))
    command("fr_models.data", "split", CROPS, "--pairs", PAIRS, "--test-folds", folds, *sides)
    teacher = folder / "teacher.npy"
    preprocessing = ["--size", 112, "--scale", 1 / 128, "--offset", 127.5, "--colour", "RGB"]
    model = DATA / "models" / "MobileFaceNet.tflite"
    embedding = command(
        "fr_models.data",
        "distill",
        folder / "train.npz",
        "--model",
        model,
        "--flip",
        *preprocessing,
        "-o",
        teacher,
    )
    recipes = {"distilled": RECIPES["distilled"]} if choice.quick else RECIPES
    runs = {name: trained(recipe, teacher, folder, choice.quick) for name, recipe in recipes.items()}
    report(runs)
    plot(runs, folder / "accuracy.png")
    compare.write(choice.output, teacher_minutes=embedding, runs=runs)


if __name__ == "__main__":
    main()
