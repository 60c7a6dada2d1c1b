"""Small networks and images that training's tests share."""

from __future__ import annotations

from typing import Any

import fr_losses
import numpy as np
from tensorflow import keras

CLASSES = 6


def backbone(batch_norm: bool = True, dim: int = 8, seed: int = 3) -> Any:
    """Images [B, 8, 8, 3] to embeddings."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv")(inputs)
    if batch_norm:
        x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Flatten()(keras.layers.Activation("tanh")(x))
    return keras.Model(inputs, keras.layers.Dense(dim, name="head_dense")(x))


def people(count: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of CLASSES people, each a pattern with noise, and their labels."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).normal(size=(CLASSES, 8, 8, 3))
    labels = np.arange(count) % CLASSES
    return (patterns[labels] + 0.3 * rng.normal(size=(count, 8, 8, 3))).astype("float32"), labels


def model(head: Any = None, optimizer: Any = None, batch_norm: bool = True, **settings: Any) -> Any:
    """A compiled TrainingModel."""
    network = backbone(batch_norm)
    head = fr_losses.FusedMarginSoftmax(CLASSES, fr_losses.ArcFace(scale=8.0)) if head is None else head
    training = fr_losses.TrainingModel(network, head, **settings)
    training.compile(keras.optimizers.SGD(0.05, momentum=0.9) if optimizer is None else optimizer)
    return training


def weights(training: Any) -> list[np.ndarray]:
    """Copies of everything that a step can change."""
    slots = [] if training.row_optimizer is None else training.row_optimizer.weights
    held = [*training.backbone.weights, *training.head.weights, *slots, *variables(training.optimizer)]
    return [np.array(weight.numpy()) for weight in held]


def variables(optimizer: Any) -> list[Any]:
    """State of an optimizer."""
    held = optimizer.variables  # a method in Keras 2
    return list(held() if callable(held) else held)
