"""An epoch of batches from class folders; see ``jobs.py`` for how they are run.

Work is the same for all: every image decoded to float32 ``[B, 112, 112, 3]`` in a shuffled order, with its
label, and given to Python. The figures that must agree are the mean pixel as a share of 255, and the share of
images given.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_models.data import Augmentation, Pipeline, open_dataset
from jobs import Job, nothing, serve
from tensorflow import keras

BATCH = 64
SIZE = (112, 112)
SCALE, OFFSET = 1 / 128, 127.5


def ours(folder: str, flip: bool) -> Callable[[], Iterable[Any]]:
    augmentation = Augmentation(horizontal_flip=0.5 if flip else 0.0)
    pipeline = Pipeline(open_dataset(folder), BATCH, scale=SCALE, offset=OFFSET, augmentation=augmentation)
    epochs = itertools.count()
    return lambda: pipeline.batches(next(epochs))


def keras_plain(folder: str, flip: bool) -> Callable[[], Iterable[Any]]:
    """Pixels stay from 0 to 255."""
    batches = keras.utils.image_dataset_from_directory(
        folder, image_size=SIZE, batch_size=BATCH, seed=0, verbose=False
    )
    if flip:
        mirror = keras.layers.RandomFlip("horizontal", seed=0)
        batches = batches.map(
            lambda images, labels: (mirror(images, training=True), labels),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return lambda: batches.prefetch(tf.data.AUTOTUNE)


def keras_rescaled(folder: str, flip: bool) -> Callable[[], Iterable[Any]]:
    rescale = keras.layers.Rescaling(SCALE, -OFFSET * SCALE)
    batches = keras_plain(folder, flip)().map(
        lambda images, labels: (rescale(images), labels), num_parallel_calls=tf.data.AUTOTUNE
    )
    return lambda: batches.prefetch(tf.data.AUTOTUNE)


def epoch_of(
    make: Callable[[str, bool], Callable[[], Iterable[Any]]], rescaled: bool
) -> Callable[[Any], Job]:
    """A job: an epoch."""

    def job(_: dict[str, np.ndarray]) -> Job:
        made: dict[tuple[str, bool], Callable[[], Iterable[Any]]] = {}

        def run(_: None, folder: str, flip: bool, images: int) -> list[float]:
            if (folder, flip) not in made:
                made[folder, flip] = make(folder, flip)
            total, count = 0.0, 0
            for pixels, _labels in made[folder, flip]():
                total += float(pixels[0, ::7, ::7].numpy().mean())
                count += 1
            mean = total / count
            return [(mean / SCALE + OFFSET if rescaled else mean) / 255, count * BATCH / images]

        return nothing, run

    return job


JOBS = {
    "ours": epoch_of(ours, rescaled=True),
    "keras": epoch_of(keras_plain, rescaled=False),
    "keras_rescaled": epoch_of(keras_rescaled, rescaled=True),
}

if __name__ == "__main__":
    serve(JOBS, sys.argv[1], Path(sys.argv[2]))
