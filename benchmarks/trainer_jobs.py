"""Epochs of training; see ``jobs.py`` for how they are run.

The folder of faces, the network and the batch size come by the environment variables ``BENCH_FACES``,
``BENCH_NETWORK`` and ``BENCH_BATCH``. Figures are the accuracies of epochs, which must agree.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from fr_models.data import InputClock
from fr_models.train.interrupts import Interrupts
from fr_models.train.network import build_backbone
from fr_models.train.recipe import Recipe
from fr_models.train.run_evaluation import RunEvaluation
from fr_models.train.stage_run import StageRun
from fr_models.train.trainer import Trainer
from jobs import Arrays, Job, serve
from tensorflow import keras

RECIPE = {
    "model": {"name": os.environ["BENCH_NETWORK"], "embedding_dim": 128},
    "data": {"path": os.environ["BENCH_FACES"], "batch_size": int(os.environ["BENCH_BATCH"])},
    "stages": [{"epochs": 1000, "loss": "ArcFace", "optimizer": {"name": "SGD", "momentum": 0.9}}],
    "learning_rate": 1e-4,
}


def prepared() -> tuple[Trainer, StageRun]:
    """A trainer and its first stage, before the first step."""
    recipe = Recipe.from_dict(RECIPE)
    trainer = Trainer(recipe, Path(tempfile.mkdtemp()))
    keras.utils.set_random_seed(0)
    classes = len(trainer.dataset.class_names)
    run = StageRun(recipe, 0, build_backbone(recipe), classes, trainer.pipeline, trainer.strategy)
    return trainer, run


def fit(_: Arrays) -> Job:
    def build() -> Any:
        trainer, run = prepared()
        return trainer, run.model

    def epoch(built: Any) -> list[float]:
        trainer, model = built
        batches = trainer.pipeline.batches(trainer.state.epoch)
        steps = trainer.pipeline.steps_per_epoch
        history = model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0, shuffle=False).history
        trainer.state.end_epoch()
        return [history["accuracy"][0]]

    return build, epoch


def trainer(_: Arrays) -> Job:
    def build() -> Any:
        trainer, run = prepared()
        trainer._interrupts = Interrupts()
        trainer._evaluation = RunEvaluation(trainer.opened, run.model.backbone, trainer.display)
        return trainer, run

    def epoch(built: Any) -> list[float]:
        trainer, run = built
        trainer._steps(run, InputClock())
        trainer.state.end_epoch()
        return [run.figures()["accuracy"]]

    return build, epoch


JOBS = {"fit": fit, "trainer": trainer}

if __name__ == "__main__":
    serve(JOBS, sys.argv[1], Path(sys.argv[2]))
