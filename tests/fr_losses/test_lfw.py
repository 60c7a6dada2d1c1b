"""Every margin loss trains a small network on real faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from tests.fr_losses._reference import CASES

PEOPLE, IMAGES, SIZE = 12, 4, 48


@pytest.fixture(scope="session")
def faces(shared_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Crops of people with ten images or more, and whose they are."""
    folders = sorted((shared_data / "lfw" / "aligned112").iterdir())
    many = [folder for folder in folders if len(list(folder.glob("*.jpg"))) >= 10][:PEOPLE]
    crops = [
        tf.image.resize(tf.io.decode_jpeg(path.read_bytes()), (SIZE, SIZE)).numpy()
        for folder in many
        for path in sorted(folder.glob("*.jpg"))[:IMAGES]
    ]
    return (np.stack(crops) - 127.5) / 128, np.repeat(np.arange(PEOPLE), IMAGES)


def small_network() -> Any:
    keras.utils.set_random_seed(0)
    layers: list[Any] = [keras.Input((SIZE, SIZE, 3))]
    for width in (16, 32, 64):
        layers += [
            keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(64)])


@pytest.mark.parametrize("name", CASES)
def test_overfits_a_batch(name: str, faces: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = faces
    head = fr_losses.FusedMarginSoftmax(PEOPLE, CASES[name].make(PEOPLE))
    model = fr_losses.TrainingModel(small_network(), head)
    model.compile(keras.optimizers.Adam(3e-3), steps_per_execution=20)
    batch = tf.data.Dataset.from_tensors((images, labels)).repeat(20)
    for _ in range(6):
        report = model.fit(batch, verbose=0, shuffle=False).history
        if report["accuracy"][0] > 0.95:
            break
    assert report["accuracy"][0] > 0.9
