"""Weight decay: the paths of weights by the rules of MXNet, Keras and TensorFlow Addons, coupled or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_losses.weight_decay import (
    ProportionalWeightDecay,
    keras_weight_decay,
    l2_regularizer,
    sgdw_weight_decay,
)
from tensorflow import keras

from tests.fr_losses._metric_reference import addons

RATE, DECAY, STEPS = 0.1, 5e-2, 30
TARGET = np.array([1.0, -2.0, 0.5])
START = np.array([3.0, 1.0, -4.0])


def gradient(weights: Any) -> Any:
    """Of a bowl around the target."""
    return 0.3 * (weights - TARGET)


def mxnet_path(momentum: float, rates: list[float], decay: float = DECAY) -> np.ndarray:
    weights, velocity, path = START.copy(), np.zeros(3), []
    for rate in rates:
        velocity = momentum * velocity - rate * (gradient(weights) + decay * weights)
        weights = weights + velocity
        path.append(weights)
    return np.array(path)


def decoupled_path(momentum: float, rates: list[float], decays: list[float]) -> np.ndarray:
    """Each step subtracts ``decay * weights``, outside of the momentum."""
    weights, velocity, path = START.copy(), np.zeros(3), []
    for rate, decay in zip(rates, decays, strict=True):
        velocity = momentum * velocity - rate * gradient(weights)
        weights = weights - decay * weights + velocity
        path.append(weights)
    return np.array(path)


def path_of(optimizer: Any, rates: list[float], regularizer: Any = None) -> np.ndarray:
    weights, path = tf.Variable(START, dtype=tf.float32), []
    for rate in rates:
        optimizer.learning_rate = rate
        with tf.GradientTape() as tape:
            loss = 0.15 * tf.reduce_sum((weights - TARGET.astype(np.float32)) ** 2)
            if regularizer is not None:
                loss += regularizer(weights)
        optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
        path.append(weights.numpy())
    return np.array(path)


CONSTANT = [RATE] * STEPS
FALLING = [RATE * 0.9**step for step in range(STEPS)]
rates_and_momentum = pytest.mark.parametrize(
    ("momentum", "rates"), [(0.0, CONSTANT), (0.9, CONSTANT), (0.0, FALLING), (0.9, FALLING)]
)


@rates_and_momentum
def test_l2_is_mxnets(momentum: float, rates: list[float]) -> None:
    path = path_of(keras.optimizers.SGD(RATE, momentum=momentum), rates, l2_regularizer(DECAY))
    np.testing.assert_allclose(path, mxnet_path(momentum, rates), rtol=1e-4, atol=1e-5)


@rates_and_momentum
def test_keras_decays_by_the_rate_and_outside_of_momentum(momentum: float, rates: list[float]) -> None:
    sgd = keras.optimizers.SGD(RATE, momentum=momentum, weight_decay=keras_weight_decay(DECAY))
    path = path_of(sgd, rates)
    decoupled = decoupled_path(momentum, rates, [rate * DECAY for rate in rates])
    np.testing.assert_allclose(path, decoupled, rtol=1e-4, atol=1e-5)
    difference = np.abs(path - mxnet_path(momentum, rates)).max()
    assert difference < 1e-5 if momentum == 0 else difference > 0.05


def test_momentum_adds_coupled_decay_up() -> None:
    """Without any other gradient: dividing by ``1 - momentum`` makes both decay alike in the long run."""
    weights, velocity = 1.0, 0.0
    for _ in range(400):
        velocity = 0.9 * velocity - 0.01 * DECAY * weights
        weights += velocity
    plain, divided = ((1 - 0.01 * keras_weight_decay(DECAY, momentum)) ** 400 for momentum in (0.0, 0.9))
    assert weights == pytest.approx(divided, rel=0.05) and plain > 3 * weights


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_addons_sgdw(momentum: float) -> None:
    """MXNet's rate 0.1 and decay 5e-4 are SGDW's 5e-5, Keras's 5e-4."""
    assert sgdw_weight_decay(5e-4, 0.1) == pytest.approx(5e-5)
    sgdw = addons().optimizers.SGDW(sgdw_weight_decay(DECAY, RATE), learning_rate=RATE, momentum=momentum)
    path = path_of(sgdw, CONSTANT)
    same = keras.optimizers.SGD(RATE, momentum=momentum, weight_decay=keras_weight_decay(DECAY))
    np.testing.assert_allclose(path, path_of(same, CONSTANT), rtol=1e-4, atol=1e-5)
    if momentum == 0:
        np.testing.assert_allclose(path, mxnet_path(momentum, CONSTANT), rtol=1e-4, atol=1e-5)


class Rates(keras.callbacks.Callback):
    """Another rate each batch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = FALLING[batch]


def bowl_model(optimizer: Any) -> Any:
    """Its one layer's bias follows `gradient`."""
    start = keras.initializers.Constant(START)
    layer = keras.layers.Dense(3, kernel_initializer="zeros", bias_initializer=start)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(optimizer, "mse")
    return model


def fitted(optimizer: Any, callbacks: list[Any]) -> np.ndarray:
    model = bowl_model(optimizer)
    images = np.zeros((STEPS, 1), np.float32)
    targets = np.tile(TARGET, (STEPS, 1)).astype(np.float32)
    model.fit(images, targets, batch_size=1, callbacks=callbacks, verbose=0, shuffle=False)
    return model.layers[-1].bias.numpy()


@pytest.mark.parametrize("scheduled", [False, True])
def test_proportional_decay(scheduled: bool) -> None:
    """SGDW with the callback is Keras's SGD, which needs none, whoever sets the learning rate."""
    sgdw = addons().optimizers.SGDW
    rate = keras.optimizers.schedules.ExponentialDecay(RATE, 1, 0.9) if scheduled else RATE
    rates = [] if scheduled else [Rates()]
    follow = ProportionalWeightDecay(sgdw_weight_decay(DECAY, RATE), learning_rate=RATE)
    ours = fitted(sgdw(RATE * DECAY, learning_rate=rate, momentum=0.9), [*rates, follow])
    wanted = fitted(keras.optimizers.SGD(rate, momentum=0.9, weight_decay=DECAY), rates)
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)
    unfollowed = fitted(sgdw(RATE * DECAY, learning_rate=rate, momentum=0.9), rates)
    assert np.abs(unfollowed - wanted).max() > 0.05


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="learning_rate: expected a number above 0, got 0"):
        ProportionalWeightDecay(5e-5, learning_rate=0)
    with pytest.raises(ValueError, match=r"momentum: expected a share in \[0, 1\), got 1"):
        keras_weight_decay(5e-4, momentum=1)
    message = "optimizer: expected one of TensorFlow Addons with a weight_decay, got SGD"
    with pytest.raises(ValueError, match=message):
        fitted(keras.optimizers.SGD(0.1, weight_decay=1e-4), [ProportionalWeightDecay(1e-4, 0.1)])
