"""Heads of a million classes: losses and gradients, or whole steps; see ``jobs.py`` for how they are run.

Each job holds the class matrix. A task is a batch; its figures are the mean loss and the norm of the gradient
of the embeddings, which must agree.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fr_losses
import numpy as np
import tensorflow as tf
from jobs import Arrays, Job, serve
from tensorflow import keras

MARGIN, SCALE = 0.5, 64.0
Losses = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def one_hot(embeddings: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """ArcFace as Keras_insightface writes it: one-hot labels, a mask, a scatter, dense cross-entropy."""
    rows = tf.nn.l2_normalize(weights, axis=1, epsilon=1e-5)
    cosines = tf.matmul(tf.nn.l2_normalize(embeddings, axis=1, epsilon=1e-5), rows, transpose_b=True)
    targets = tf.one_hot(labels, weights.shape[0])
    places = tf.where(tf.not_equal(targets, 0))
    own = tf.gather_nd(cosines, places)
    harder = tf.cos(tf.acos(own) + MARGIN)
    harder = tf.where(own > math.cos(math.pi - MARGIN), harder, -2.0 - harder)
    logits = tf.tensor_scatter_nd_update(cosines, places, harder) * SCALE
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True)


def sparse(embeddings: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The same with class numbers, a gather and a scatter of the target's cosine."""
    rows = tf.nn.l2_normalize(weights, axis=1, epsilon=1e-12)
    cosines = tf.matmul(tf.nn.l2_normalize(embeddings, axis=1, epsilon=1e-12), rows, transpose_b=True)
    places = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)
    own = tf.clip_by_value(tf.gather_nd(cosines, places), -1 + 1e-6, 1 - 1e-6)
    harder = tf.cos(tf.acos(own) + MARGIN)
    harder = tf.where(own > math.cos(math.pi - MARGIN), harder, -2.0 - harder)
    logits = tf.tensor_scatter_nd_update(cosines, places, harder) * SCALE
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def fused(backend: str, products: str = "float32") -> Losses:
    margin = fr_losses.ArcFace(MARGIN, scale=SCALE, past_pi="reflect")

    def losses(embeddings: tf.Tensor, weights: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return fr_losses.fused_margin_softmax(
            embeddings, weights, labels, margin, backend=backend, products=products
        )

    return losses


def gradients_of(losses: Losses, jit: bool = False) -> Callable[[Arrays], Job]:
    """A job: losses and both gradients of a batch."""

    def job(arrays: Arrays) -> Job:
        def build() -> tf.Variable:
            return tf.Variable(tf.constant(arrays.pop("weights")))  # the file's pages do not count

        @tf.function(jit_compile=jit)
        def step(weights: tf.Tensor, embeddings: tf.Tensor, labels: tf.Tensor) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([weights, embeddings])
                loss = tf.reduce_mean(losses(embeddings, weights, labels))
            of_weights, of_embeddings = tape.gradient(loss, [weights, embeddings])
            return loss, of_weights, tf.norm(of_embeddings)

        def run(weights: tf.Variable, batch: int) -> list[float]:
            embeddings = tf.constant(arrays["embeddings"][:batch])
            loss, of_weights, norm = step(
                tf.convert_to_tensor(weights), embeddings, tf.constant(arrays["labels"][:batch])
            )
            assert of_weights.shape == weights.shape
            return [float(loss), float(norm)]

        return build, run

    return job


def step_of(head: Callable[[int], Any]) -> Callable[[Arrays], Job]:
    """A job: a whole training step, momentum included, of a head on embeddings that a small layer makes."""

    def job(arrays: Arrays) -> Job:
        classes, width = int(arrays["classes"][0]), arrays["embeddings"].shape[1]

        def build() -> Any:
            keras.utils.set_random_seed(0)
            backbone = keras.Sequential([keras.Input((width,)), keras.layers.Dense(width)])
            model = fr_losses.TrainingModel(backbone, head(classes))
            model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
            return model

        def run(model: Any, batch: int) -> list[float]:
            model.train_on_batch(arrays["embeddings"][:batch], arrays["labels"][:batch])
            return []

        return build, run

    return job


def full(backend: str, products: str = "float32") -> Callable[[int], Any]:
    return lambda classes: fr_losses.FusedMarginSoftmax(classes, backend=backend, products=products)


def partial(classes: int) -> Any:
    return fr_losses.PartialFC(classes, rate=0.1)


JOBS: dict[str, Callable[[dict[str, np.ndarray]], Job]] = {
    "one_hot": gradients_of(one_hot),
    "sparse": gradients_of(sparse),
    "chunks": gradients_of(fused("tensorflow")),
    "chunks_xla": gradients_of(fused("tensorflow"), jit=True),
    "op": gradients_of(fused("op")),
    "op_bfloat16": gradients_of(fused("op", "bfloat16")),
    "step_op": step_of(full("op")),
    "step_op_bfloat16": step_of(full("op", "bfloat16")),
    "step_partial": step_of(partial),
}

if __name__ == "__main__":
    serve(JOBS, sys.argv[1], Path(sys.argv[2]))
