"""Optimizers by name against their formulas in float64."""

from __future__ import annotations

import math
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.optimizers import build_optimizer, checked_optimizer, is_vector
from fr_models.train.schedules import Constant, Steps
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, backbone

GRADIENTS = np.random.default_rng(0).normal(size=(6, 3))
SCHEDULE = Steps(base=0.1, epochs=(2, 4))  # of one step an epoch


def trained(settings: Any) -> np.ndarray:
    weight = tf.Variable([1.0, -2.0, 0.5])
    optimizer = build_optimizer(checked_optimizer(settings), SCHEDULE, steps_per_epoch=1)
    for gradient in GRADIENTS:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), weight)])
    return np.asarray(weight.numpy())


def momentum(decay: float, share: float = 0.9, nesterov: bool = False) -> np.ndarray:
    weight, velocity = np.array([1.0, -2.0, 0.5]), np.zeros(3)
    for gradient, rate in zip(GRADIENTS, SCHEDULE.rate(np.arange(6), 1), strict=True):
        weight = weight - rate * decay * weight
        velocity = share * velocity - rate * gradient
        weight = weight + (share * velocity - rate * gradient if nesterov else velocity)
    return weight


def test_sgd_and_the_references_sgdw() -> None:
    np.testing.assert_allclose(trained("SGD"), momentum(0.0), rtol=1e-5)
    np.testing.assert_allclose(trained({"name": "SGD", "weight_decay": 0.5}), momentum(0.5), rtol=1e-5)
    sgdw = {"name": "SGDW", "weight_decay": 0.05, "momentum": 0.8, "nesterov": True}
    np.testing.assert_allclose(trained(sgdw), momentum(0.05 / 0.1, 0.8, True), rtol=1e-5)


def test_sgdw_is_that_of_addons_with_the_references_callback() -> None:
    tfa = pytest.importorskip("tensorflow_addons")
    weight = tf.Variable([1.0, -2.0, 0.5])
    theirs = tfa.optimizers.SGDW(weight_decay=0.05, learning_rate=0.1, momentum=0.9)
    for gradient, rate in zip(GRADIENTS, SCHEDULE.rate(np.arange(6), 1), strict=True):
        theirs.learning_rate, theirs.weight_decay = rate, 0.05 / 0.1 * rate
        theirs.apply_gradients([(tf.constant(gradient, tf.float32), weight)])
    np.testing.assert_allclose(trained({"name": "SGDW", "weight_decay": 0.05}), weight.numpy(), rtol=1e-4)


def test_adamw() -> None:
    settings = {"name": "AdamW", "weight_decay": 0.5, "beta_2": 0.99}
    weight, first, second = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for step, (gradient, rate) in enumerate(zip(GRADIENTS, SCHEDULE.rate(np.arange(6), 1), strict=True), 1):
        weight = weight - rate * 0.5 * weight
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        size = rate * math.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        weight = weight - size * first / (np.sqrt(second) + 1e-7)
    np.testing.assert_allclose(trained(settings), weight, rtol=1e-5)


@pytest.mark.parametrize("decay_vectors", [False, True])
def test_vectors_do_not_decay(decay_vectors: bool) -> None:
    from fr_models.train.optimizers import exclude_vectors

    model = fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES))
    settings = checked_optimizer({"name": "SGD", "weight_decay": 0.5, "momentum": 0.0})
    model.compile(build_optimizer(settings, Constant(base=0.1), 1))
    if not decay_vectors:
        exclude_vectors(model)
    model.optimizer.build(model.trainable_variables)
    before = [np.array(w.numpy()) for w in model.trainable_variables]
    gradients = [tf.zeros_like(tf.convert_to_tensor(w)) for w in model.trainable_variables]
    model.apply_gradients(gradients)
    vectors = [is_vector(w) for w in model.trainable_variables]
    assert sum(vectors) == 4 and len(vectors) == 7  # biases, and scale and offset of one BN; kernels and rows
    for old, now, vector in zip(before, model.trainable_variables, vectors, strict=True):
        kept = 1.0 if vector and not decay_vectors else 0.95
        np.testing.assert_allclose(now.numpy(), kept * old, rtol=1e-6)


def test_slopes_of_prelu_are_vectors() -> None:
    layer = keras.layers.PReLU(shared_axes=[1, 2])
    layer.build((None, 4, 4, 8))
    assert [is_vector(weight) for weight in layer.weights] == [True]
