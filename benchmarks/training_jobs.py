"""Training steps of mobile networks; see ``jobs.py`` for how they are run.

A step is a batch forward and backward and an update with momentum. The loss is no recognition head's, but a
sum of squares, so that the backbone alone is measured. Its value must agree between forms of one network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_models import create
from fr_models.layers import ChannelPReLU, FusedBatchNormalization
from jobs import Arrays, Job, serve
from tensorflow import keras

EMBEDDING = 128


def mobilefacenet(activation: str | None = None) -> keras.Model:
    return create("mobilefacenet", embedding_dim=EMBEDDING, pointwise=512, activation=activation)


def with_layers_of_keras(*kinds: type) -> Callable[[], keras.Model]:
    """MobileFaceNet with layers of these kinds replaced by those of Keras that they derive from."""

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = type(layer)
        return (kind.__base__ if kind in kinds else kind).from_config(layer.get_config())

    def build() -> keras.Model:
        model = mobilefacenet()
        clone = keras.models.clone_model(model, clone_function=replaced)
        clone.set_weights(model.get_weights())
        return clone

    return build


def mobilenet() -> keras.Model:
    stem = keras.applications.MobileNet((112, 112, 3), include_top=False, weights=None)
    return create(stem, embedding_dim=EMBEDDING)


def steps_of(make: Callable[[], keras.Model], jit: bool = False, policy: str = "float32") -> Any:
    """A job: a training step."""

    def job(arrays: Arrays) -> Job:
        def build() -> Any:
            keras.utils.set_random_seed(0)
            keras.mixed_precision.set_global_policy(policy)
            model, optimizer = make(), keras.optimizers.SGD(1e-3, momentum=0.9)

            @tf.function(jit_compile=jit)
            def step(images: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(model(images, training=True) - 1.0))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
                return loss

            return step

        def run(step: Any, batch: int) -> list[float]:
            return [float(step(tf.constant(arrays["images"][:batch])))]

        return build, run

    return job


JOBS: dict[str, Callable[[dict[str, np.ndarray]], Job]] = {
    "ours": steps_of(mobilefacenet),
    "keras_layers": steps_of(with_layers_of_keras(ChannelPReLU, FusedBatchNormalization)),
    "keras_prelu": steps_of(with_layers_of_keras(ChannelPReLU)),
    "keras_batch_norm": steps_of(with_layers_of_keras(FusedBatchNormalization)),
    "relu": steps_of(lambda: mobilefacenet("relu")),
    "bfloat16": steps_of(mobilefacenet, policy="mixed_bfloat16"),
    "xla": steps_of(mobilefacenet, jit=True),
    "mobilenet": steps_of(mobilenet),
}

if __name__ == "__main__":
    serve(JOBS, sys.argv[1], Path(sys.argv[2]))
