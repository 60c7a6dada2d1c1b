"""A layer with matrices whose rows replicas share out: each holds a block, and files hold them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras


def replicas() -> int:
    """Replicas that train in step under the strategy in scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


class RowLayer(keras.layers.Layer):
    """A layer that can own matrices whose rows replicas share out.

    On one replica such a matrix is a weight like others. On several, replica ``r`` has the rows from
    ``r * ceil(R / replicas)`` on, and Keras does not count them among the weights. `.keras` files hold the
    matrix whole: what was saved on any number of replicas can be loaded on any other.
    """

    _own: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def add_rows(self, name: str, shape: tuple[int, int], initializer: Any, trainable: bool = False) -> None:
        """Create a matrix ``[R, D]``, shared out, and make it the attribute ``name``."""
        count = replicas()
        if count == 1:
            matrix = self.add_weight(name=name, shape=shape, initializer=initializer, trainable=trainable)
        else:
            block = -(-shape[0] // count)
            if block * (count - 1) >= shape[0]:
                raise ValueError(
                    f"{name}: expected a block of rows for each of {count} replicas, got {shape[0]} rows"
                )
            matrix = tf.Variable(
                tf.zeros((block, shape[1])),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.NONE,
                name=name,
            )
            _assign(matrix, np.asarray(keras.initializers.get(initializer)(shape)))
        self.own(name, matrix, shape)

    def own(self, name: str, variable: Any, shape: tuple[int, ...] = ()) -> None:
        """Make a variable the attribute ``name``, under which it is saved."""
        setattr(self, name, variable)
        self._own = (*self._own, (name, shape))

    def save_own_variables(self, store: Any) -> None:
        """Write the layer's variables by name, matrices whole."""
        for name, shape in self._own:
            variable = getattr(self, name)
            if _keras.is_shared_out(variable):
                store[name] = np.concatenate([block.numpy() for block in variable.values])[: shape[0]]
            else:
                store[name] = np.asarray(variable.numpy())

    def load_own_variables(self, store: Any) -> None:
        """Read the layer's variables by name; each replica takes its rows."""
        for name, _ in self._own:
            variable, value = getattr(self, name), np.asarray(store[name])
            if _keras.is_shared_out(variable):
                _assign(variable, value)
            else:
                variable.assign(value)


def _assign(matrix: Any, values: np.ndarray) -> None:
    """Give each replica its block; the last may end in rows of zeros that nothing reads."""
    block = matrix.shape[0]
    for number, rows in enumerate(matrix.values):
        part = values[number * block : (number + 1) * block]
        rows.assign(np.pad(part, [(0, block - len(part)), (0, 0)]))
