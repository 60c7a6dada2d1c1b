"""Recipes that distil, and teachers, which the tests of distillation share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fr_models.data.dataset import Dataset
from fr_models.train.build import build_stage
from fr_models.train.recipe import Recipe
from fr_models.train.teacher import TeacherSource
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, backbone

SIZE = 8


class Images(Dataset):
    """Labels of images that nobody reads, and embeddings beside them."""

    def __init__(self, embeddings: np.ndarray | None) -> None:
        self.labels = np.arange(24) % CLASSES
        self.class_names = [str(number) for number in range(CLASSES)]
        self.embeddings = embeddings

    def read(self, index: int) -> bytes:
        raise NotImplementedError

    def name(self, index: int) -> str:
        return str(index)


def recipe(loss: Any = None, **settings: Any) -> Recipe:
    stage = {
        "epochs": 1,
        "loss": {"name": "ArcFace", "scale": 8},
        "distill": loss or 2.0,
        "optimizer": "Adam",
    }
    model = {"name": "r18", "input_shape": [SIZE, SIZE, 3]}
    return Recipe.from_dict({"model": model, "stages": [stage], "learning_rate": 0.02, **settings})


def stage(given: Recipe, teacher: TeacherSource | None) -> Any:
    return build_stage(given, 0, backbone(), CLASSES, steps_per_epoch=10, teacher=teacher)


def save_teacher(folder: Path, scale: float = 1 / 255, colour: str = "BGR") -> Path:
    keras.utils.set_random_seed(11)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(6, 3, strides=2, activation="tanh", name="maps")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    network.save(folder / "teacher.keras")
    sidecar = f'{{"size": [{SIZE}, {SIZE}], "scale": {scale}, "offset": 3.0, "colour": "{colour}"}}'
    (folder / "teacher.json").write_text(sidecar)
    return folder / "teacher.keras"
