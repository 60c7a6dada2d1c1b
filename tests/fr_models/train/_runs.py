"""What the tests of training train: small faces in folders, a small network, a recipe of two stages.

``python -m tests.fr_models.train._runs FOLDER ACTION [MOMENT NUMBER]`` runs or resumes it in a process of
its own, which kills itself like ``kill -9`` at a moment: the NUMBER-th time that MOMENT comes. With ``slow
SECONDS`` each step takes so long and prints a line; with ``and OTHER``, the run OTHER follows in the same
process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fr_models.train.recipe import Recipe

from tests.fr_eval.faces import face

PEOPLE, IMAGES, SIZE = 8, 4, 32
BATCH = 8
STEPS = PEOPLE * IMAGES // BATCH


def write_faces(folder: Path) -> Path:
    """Draw people in class folders; each image is mostly of something else, so that it is hard."""
    for person in range(PEOPLE):
        (folder / f"n{person}").mkdir(parents=True, exist_ok=True)
        for image in range(IMAGES):
            other = face(1000 + IMAGES * person + image, 0, SIZE)
            pixels = cv2.addWeighted(face(person, image, SIZE), 0.35, other, 0.65, 0.0)
            cv2.imwrite(str(folder / f"n{person}" / f"{image}.png"), pixels)
    return folder


def write_backbone(path: Path, dim: int = 16, batch_norm: bool = True, dropout: float = 0.2) -> Path:
    """Save a small network with everything that has a state."""
    from tensorflow import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(inputs)
    x = layers.BatchNormalization(momentum=0.8)(x) if batch_norm else x
    x = layers.ReLU()(x)
    x = layers.Conv2D(16, 3, strides=2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x) if dropout else x
    keras.Model(inputs, layers.Dense(dim, name="embedding")(x)).save(path)
    return path


def recipe(folder: Path, **changes: Any) -> Recipe:
    """Two stages over faces in ``folder``: softmax, then a margin on some classes and a centre loss."""
    settings: dict[str, Any] = {
        "model": {"file": str(folder / "backbone.keras"), "input_shape": [SIZE, SIZE, 3]},
        "data": {"path": str(folder / "faces"), "batch_size": BATCH},
        "evaluate": {"sets": {"all": str(folder / "faces")}, "every_steps": 3},
        "learning_rate": {"schedule": "cosine", "base": 0.02, "epochs": 4, "minimum": 1e-4},
        "stages": [
            {"epochs": 2, "loss": "softmax", "optimizer": {"name": "Muon", "weight_decay": 0.01}},
            {
                "epochs": 2,
                "loss": {"name": "AdaFace", "scale": 16},
                "optimizer": {"name": "SGD", "momentum": 0.9},
                "center_loss": 0.001,
                "partial_fc": 0.95,
            },
        ],
        "seed": 3,
        "ema": 0.9,
        "checkpoint_every": 3,
        "deterministic": True,
    }
    return Recipe.from_dict({**settings, **changes})


def prepare(folder: Path) -> Path:
    """Write what a recipe needs."""
    write_faces(folder / "faces")
    write_backbone(folder / "backbone.keras")
    return folder


def _die_at(moment: str, number: int) -> None:
    """Kill this process when the moment comes for the ``number``-th time."""
    from fr_models.train import evaluation, stage_run

    left = number

    def dies() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    replace, measure, step = os.replace, evaluation.FolderPairs.measure, stage_run.StageRun.step

    def replacing(source: Any, target: Any) -> None:
        name = Path(target).name
        if moment == f"before {name}":
            dies()
        replace(source, target)
        if moment == f"after {name}":
            dies()

    def measuring(*arguments: Any) -> Any:
        figures = measure(*arguments)
        if moment == "evaluation":
            dies()
        return figures

    def stepping(*arguments: Any) -> Any:
        result = step(*arguments)
        if moment == "step":
            dies()
        return result

    os.replace = replacing
    evaluation.FolderPairs.measure = measuring  # type: ignore[method-assign]
    stage_run.StageRun.step = stepping  # type: ignore[method-assign]


def _slow_down(seconds: float) -> None:
    """Make steps long enough for a person, or a test, to interfere."""
    from fr_models.train import stage_run

    step = stage_run.StageRun.step

    def slowly(*arguments: Any) -> Any:
        print("step", flush=True)
        time.sleep(seconds)
        return step(*arguments)

    stage_run.StageRun.step = slowly  # type: ignore[method-assign]


def comparable(folder: Path) -> dict[str, Any]:
    """Read what must be the same in every run: all but clocks, with the arrays of the checkpoint."""
    from fr_models.train.checkpoints import read_record

    state = read_record(folder / "last" / "state.npz")["state"]
    for row in state["history"]["rows"]:
        del row["input_bound"], row["seconds"]
    with np.load(folder / "last" / "state.npz") as arrays:
        held = {name: arrays[name].tobytes() for name in arrays.files if name != "record.json"}
    best = json.loads((folder / "best.json").read_text())["about"]
    del best["sha256"]  # of a file that has the time in it
    return {"state": state, "arrays": held, "best": best}


def main() -> None:
    from fr_models.train.trainer import Trainer

    folder, action, (moment, argument) = Path(sys.argv[1]), sys.argv[2], [*sys.argv[3:], "", ""][:2]
    changes: dict[str, Any] = {}
    if moment == "slow":
        _slow_down(float(argument))
        changes["stages"] = [{**stage, "epochs": 12} for stage in recipe(folder.parent).to_dict()["stages"]]
    elif moment and moment != "and":
        _die_at(moment, int(argument))
    if action == "run":
        Trainer(recipe(folder.parent, **changes), folder).run()
    else:
        Trainer.resume(folder)
    if moment == "and":
        Trainer(recipe(folder.parent), argument).run()


if __name__ == "__main__":
    main()
