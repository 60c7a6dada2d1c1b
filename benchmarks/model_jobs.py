"""Embeddings of images by one network after another; see ``jobs.py`` for how they are run.

A task names a network: ``path`` is that of its ``.keras`` and ``.onnx`` files without the ending, and
``peer`` the class of keras.applications, if there is one. What a task needs is built when it is the first of
its network and batch, in a round that does not count. Figures are numbers of the first embedding, in units of
their root mean square, which must agree between forms of one network.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import Preprocessing
from jobs import Arrays, Job, serve

FIGURES = 16

PREPROCESSING = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")

Embed = Callable[[np.ndarray], np.ndarray]


def by(load: Callable[[str, str | None, int], Embed]) -> Callable[[Arrays], Job]:
    """A job: embeddings by what ``load`` makes of a task's path, peer and batch."""

    def job(arrays: Arrays) -> Job:
        images = np.array(arrays["images"])

        def run(loaded: dict[str, Embed], path: str, peer: str | None, batch: int) -> list[float]:
            key = f"{path} {batch}"
            if key not in loaded:
                if not any(other.startswith(f"{path} ") for other in loaded):
                    loaded.clear()
                loaded[key] = load(path, peer, batch)
            parts = [loaded[key](images[first : first + batch]) for first in range(0, len(images), batch)]
            first = parts[0][0].astype(np.float64)
            figures = first[:FIGURES] / np.sqrt(np.mean(first**2))
            return [] if peer and load is keras_applications else figures.tolist()

        return dict, run

    return job


def compiled(model: Any, batch: int) -> Embed:
    """Call a Keras model the fastest way on a CPU: `predict` adds to it, XLA's convolutions are slow."""
    import tensorflow as tf

    signature = [tf.TensorSpec((batch, *model.input_shape[1:]))]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature)
    return lambda images: function(tf.constant(images)).numpy()


def fr_models(path: str, peer: str | None, batch: int) -> Embed:
    return compiled(_loaded(path), batch)


def folded(path: str, peer: str | None, batch: int) -> Embed:
    from fr_models import surgery

    return compiled(surgery.fold_batch_norm(_loaded(path)), batch)


def keras_applications(path: str, peer: str | None, batch: int) -> Embed:
    """The network of the same family on the same head."""
    import fr_models
    from fr_export._settle import settle
    from tensorflow import keras

    assert peer is not None
    options = {"include_preprocessing": False} if peer in ("MobileNetV3Large", "EfficientNetV2B0") else {}
    stem = getattr(keras.applications, peer)(
        input_shape=(112, 112, 3), include_top=False, weights=None, **options
    )
    model = fr_models.create(stem)
    settle(model, PREPROCESSING, pixels())
    return compiled(model, batch)


def onnxruntime(path: str, peer: str | None, batch: int) -> Embed:
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{path}.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def pixels() -> np.ndarray:
    """Images that batch normalisation sees: activations of a fresh network vanish."""
    return np.random.default_rng(0).integers(0, 256, (32, 112, 112, 3), np.uint8)


def _loaded(path: str) -> Any:
    from tensorflow import keras

    importlib.import_module("fr_models.layers")  # registers them
    return keras.models.load_model(f"{path}.keras")


JOBS: dict[str, Callable[[Arrays], Job]] = {
    job.__name__: by(job) for job in (fr_models, folded, keras_applications, onnxruntime)
}

if __name__ == "__main__":
    serve(JOBS, sys.argv[1], Path(sys.argv[2]))
