"""Optimizers by name against their formulas in float64."""

from __future__ import annotations

import math
from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import heads
from fr_models.train.muon import Muon, orthogonal
from fr_models.train.optimizers import build_optimizer, checked_optimizer, is_vector
from fr_models.train.schedules import Constant, Steps
from tensorflow import keras

from tests.fr_models.train.networks import CLASSES, backbone, people

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


def test_muon_makes_steps_of_kernels_orthogonal() -> None:
    settings = {"name": "Muon", "weight_decay": 0.5, "momentum": 0.8, "update_rms": 0.3}
    random = np.random.default_rng(1)
    gradients = random.normal(size=(6, 3, 3, 4, 8)).astype(np.float32)
    kernel = tf.Variable(random.normal(size=(3, 3, 4, 8)), dtype=tf.float32)
    optimizer = build_optimizer(checked_optimizer(settings), SCHEDULE, steps_per_epoch=1)
    weight, velocity = kernel.numpy().astype(np.float64), np.zeros((3, 3, 4, 8))
    for gradient, rate in zip(gradients, SCHEDULE.rate(np.arange(6), 1), strict=True):
        optimizer.apply_gradients([(tf.constant(gradient), kernel)])
        velocity = 0.8 * velocity + gradient
        left, _, right = np.linalg.svd((gradient + 0.8 * velocity).reshape(36, 8), full_matrices=False)
        left_over = left.T @ ((1 - rate * 0.5) * weight - kernel.numpy()).reshape(36, 8) @ right.T
        values = np.diag(left_over) / (rate * 0.3 * 6)
        assert values.min() > 0.65 and values.max() < 1.25
        np.testing.assert_allclose(left_over - np.diag(np.diag(left_over)), 0.0, atol=1e-5)
        weight = kernel.numpy().astype(np.float64)


@pytest.mark.parametrize("scale", [1e-3, 1e6])
@pytest.mark.parametrize("shape", [(200, 30), (30, 200), (16, 16), (9, 1)])
def test_orthogonal(shape: tuple[int, int], scale: float) -> None:
    matrix = np.random.default_rng(2).normal(size=shape)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    ours = orthogonal(tf.constant(scale * matrix, tf.float32)).numpy()
    values = np.linalg.svd(ours, compute_uv=False)
    assert values.min() > 0.65 and values.max() < 1.25
    assert np.sum(ours * (left @ right)) > 0.95 * np.linalg.norm(ours) * np.linalg.norm(left @ right)
    assert not orthogonal(tf.zeros(shape)).numpy().any()


def test_muon_leaves_other_weights_to_adamw() -> None:
    muon = {"name": "Muon", "weight_decay": 0.5, "beta_2": 0.99}
    np.testing.assert_array_equal(trained(muon), trained({**muon, "name": "AdamW"}))
    shapes = [(3, 3, 4, 1), (3, 3, 1, 8), (4, 5), (3, 3, 4, 8)]
    weights = {}
    for name in ("Muon", "AdamW"):
        weights[name] = [tf.Variable(tf.ones(shape)) for shape in shapes]
        optimizer = build_optimizer(checked_optimizer(name), SCHEDULE, steps_per_epoch=1)
        optimizer.apply_gradients([(tf.fill(w.shape, 0.1), w) for w in weights[name]])
    alike = [np.array_equal(*both) for both in zip(weights["Muon"], weights["AdamW"], strict=True)]
    assert alike == [True, True, True, False]


def test_muon_of_a_config_is_equal() -> None:
    optimizer = Muon(0.1, weight_decay=0.2, momentum=0.7, update_rms=0.4, beta_1=0.8, epsilon=1e-4)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Muon and again.get_config() == optimizer.get_config()
    rows = optimizer.of_rows()
    assert type(rows) is keras.optimizers.AdamW
    assert (rows.weight_decay, rows.beta_1, rows.epsilon) == (0.2, 0.8, 1e-4)


def test_muon_updates_rows_as_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_TRAINABLE_ROWS", 2)
    given = {"weight_decay": 0.5, "beta_1": 0.8, "beta_2": 0.9}
    rows = {}
    for name in ("Muon", "AdamW"):
        model = fr_losses.TrainingModel(backbone(), fr_losses.FusedMarginSoftmax(CLASSES))
        model.compile(build_optimizer(checked_optimizer({"name": name, **given}), Constant(base=0.1), 1))
        model.optimizer.build(model.trainable_variables)
        assert model.row_optimizer is not None
        _, gradients = model.gradients(*map(tf.constant, people(8)))
        for _ in range(2):
            model.apply_gradients(gradients)
        rows[name] = np.array(model.head.class_weights.numpy())
    np.testing.assert_array_equal(rows["Muon"], rows["AdamW"])


def test_rows_of_an_optimizer_with_exclusions_are_refused() -> None:
    optimizer = Muon(0.1)
    optimizer.exclude_from_weight_decay(var_list=[tf.Variable(1.0)])
    with pytest.raises(ValueError, match="exclude_from_weight_decay is not defined for some rows"):
        fr_losses.RowOptimizer(optimizer)


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
