"""Train by recipe on several devices: ``python -m tests.fr_models.train._devices FOLDER JOBS``.

JOBS is JSON, a list of ``[action, head, run folder]``. The environment variable ``DEVICES`` says how many
logical CPUs this process has, mirrored if there are several; with ``TF_CONFIG`` it is one of several
workers. Prints the losses of each job's steps as JSON.

A process of its own, because devices are set up before TensorFlow starts.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

COUNT = int(os.environ["DEVICES"])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * COUNT)

from fr_models.train import build, progress, stage_run  # noqa: E402
from fr_models.train.losses import make_loss  # noqa: E402
from fr_models.train.trainer import Trainer  # noqa: E402

from tests.fr_models.train import _runs  # noqa: E402
from tests.fr_models.train.dense_head import DenseHead  # noqa: E402

ARCFACE = {"name": "ArcFace", "scale": 16}
HEADS: dict[str, dict[str, Any]] = {
    "softmax": {"loss": "softmax"},
    "dense": {"loss": ARCFACE},
    "fused": {"loss": ARCFACE},
    "partial": {"loss": ARCFACE, "partial_fc": 1.0},
    "sampled": {"loss": ARCFACE, "partial_fc": 0.95},  # which of so few classes are all
    "sampled, two epochs": {"loss": ARCFACE, "partial_fc": 0.95, "epochs": 2},
}


def recipe(folder: Path, head: str) -> Any:
    """One stage; no dropout, which each replica would draw for itself, and no batch normalisation."""
    several = "none" if COUNT == 1 else "mirrored"
    stage = {"epochs": 1, "optimizer": {"name": "SGD", "momentum": 0.9}, **HEADS[head]}
    return _runs.recipe(
        folder,
        model={"file": str(folder / "plain.keras"), "input_shape": [_runs.SIZE, _runs.SIZE, 3]},
        stages=[stage],
        evaluate={},
        learning_rate=0.01,
        ema=None,
        checkpoint_every=None,
        distribution="multi_worker" if "TF_CONFIG" in os.environ else several,
    )


def dense_head(_: Any, stage: Any, classes: int) -> DenseHead:
    """Make a head that no recipe names, for the same loss."""
    return DenseHead(classes, make_loss(stage.loss))


def main() -> None:
    folder = Path(sys.argv[1])
    if json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {}).get("index") == 1:
        progress.SECONDS_BETWEEN_LINES = 0.0  # a worker that would ask for figures when the other does not
    results = []
    step, head_of_stage = stage_run.StageRun.step, build._head
    for action, head, name in json.loads(sys.argv[2]):
        losses: list[float] = []

        def recording(*arguments: Any, losses: list[float] = losses) -> Any:
            report = step(*arguments)
            losses.append(float(report["loss"]))
            return report

        build._head = dense_head if head == "dense" else head_of_stage
        stage_run.StageRun.step = recording  # type: ignore[method-assign, assignment]
        if action == "run":
            Trainer(recipe(folder, head), folder / name).run()
        else:  # the recipe of a run names the strategy
            text = (folder / name / "recipe.yaml").read_text()
            other = "none" if COUNT == 1 else "mirrored"
            (folder / name / "recipe.yaml").write_text(
                text.replace("distribution: mirrored", f"distribution: {other}")
            )
            Trainer.resume(folder / name)
        results.append(losses)
    print("RESULTS", json.dumps(results))


main()
