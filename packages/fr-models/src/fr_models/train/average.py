"""An average of a network's weights over the steps of its training, to be evaluated and exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from fr_models._keras import tensor_variable

__all__ = ["WeightAverage"]


class WeightAverage(tf.Module):
    """Exponential moving average of the weights of a network, statistics of batch normalisation included.

    In step ``n``, ``a <- m a + (1 - m) w`` with ``m = min(momentum, (1 + n) / (10 + n))``, so that the first
    weights, which are random, do not stay in it for long. To be created in a strategy's scope, and updated
    outside of replicas.

    Parameters
    ----------
    network : keras.Model
        Whose weights are averaged; those that are no floats are not.
    momentum : float
        The share of the average that stays.

    References
    ----------
    tf.train.ExponentialMovingAverage, whose ``num_updates`` gives the same ``m``.

    Examples
    --------
    >>> from tensorflow import keras
    >>> network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    >>> average = WeightAverage(network, momentum=0.5)
    >>> network.set_weights([tf.ones((1, 1)).numpy(), tf.ones(1).numpy()])
    >>> average.update()
    >>> with average.in_place():
    ...     print(f"{float(network.get_weights()[0][0, 0]):.1f}")
    0.9
    """

    def __init__(self, network: Any, momentum: float) -> None:
        super().__init__(name="average")
        self.momentum = momentum
        self._weights = [
            weight for weight in map(tensor_variable, network.weights) if weight.dtype.is_floating
        ]
        self.averages = [
            tf.Variable(weight, trainable=False, name=f"average_{number}")
            for number, weight in enumerate(self._weights)
        ]
        self.updates = tf.Variable(0, trainable=False, dtype=tf.int64, name="updates")

    def update(self) -> None:
        """Let the average follow the weights."""
        count = tf.cast(self.updates.assign_add(1), tf.float32) - 1.0
        momentum = tf.minimum(self.momentum, (1.0 + count) / (10.0 + count))
        for average, weight in zip(self.averages, self._weights, strict=True):
            share = tf.cast(1.0 - momentum, average.dtype)
            average.assign(average + share * (tf.convert_to_tensor(weight) - average))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the network the averages in place of its weights, until the block ends."""
        kept = [weight.numpy() for weight in self._weights]
        try:
            for average, weight in zip(self.averages, self._weights, strict=True):
                weight.assign(average.numpy())
            yield
        finally:
            for before, weight in zip(kept, self._weights, strict=True):
                weight.assign(before)
