"""A layer with matrices whose rows replicas share out: each holds a block, and files hold them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras


def replicas() -> int:
    """Replicas that train in step under the strategy in scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


class SharedRows:
    """A matrix ``[R, D]`` of which each replica holds a block of rows, all as large as the first.

    Nothing that Keras or TensorFlow tracks: its blocks are, one by one. To be created in a strategy's
    scope; of several workers, all read it together or none.

    Parameters
    ----------
    blocks : sequence of variables, each ``[rows_of_replica, D]``
        Of the replicas of this process; the last of all may end in rows that nothing reads.
    rows : int
        ``R``.
    """

    def __init__(self, blocks: Sequence[tf.Variable], rows: int) -> None:
        self.blocks = blocks
        self.rows = rows
        self._strategy = tf.distribute.get_strategy()
        self._first = 0 if len(blocks) == replicas() else int(self._of_first_replica(_keras.replica))

    def block(self) -> tf.Variable:
        """Return the block of the replica that is being traced; of the first one outside of replicas."""
        return self.blocks[max(0, _keras.replica() - self._first)]

    def numpy(self) -> np.ndarray:
        """Read the whole matrix."""
        if len(self.blocks) == self._strategy.num_replicas_in_sync:
            return np.concatenate([block.numpy() for block in self.blocks])[: self.rows]
        whole = self._of_first_replica(
            lambda: tf.distribute.get_replica_context().all_gather(tf.identity(self.block()), axis=0)
        )
        return np.asarray(whole)[: self.rows]

    def assign(self, values: Any) -> None:
        """Give each replica its rows of ``values [R, D]``."""
        expected = (self.rows, self.blocks[0].shape[1])
        if np.shape(values) != expected:
            raise ValueError(f"rows: expected a matrix of shape {expected}, got {np.shape(values)}")
        size = self.blocks[0].shape[0]
        for number, block in enumerate(self.blocks, self._first):
            part = np.asarray(values)[number * size : (number + 1) * size]
            block.assign(np.pad(part, [(0, size - len(part)), (0, 0)]))

    def _of_first_replica(self, function: Callable[[], Any]) -> Any:
        """Run in all replicas, and return what it gives in the first one of this process."""
        results = tf.function(lambda: self._strategy.run(function), autograph=False)()
        return self._strategy.experimental_local_results(results)[0]


def rows_of_replica(name: str, rows: int, together: int = 1) -> int:
    """Count the rows of a replica's block, in which each group of ``together`` rows is whole.

    Raises
    ------
    ValueError
        If a replica would have none.
    """
    size = -(-rows // (together * replicas())) * together
    if size * (replicas() - 1) >= rows:
        raise ValueError(
            f"{name}: expected a block of rows for each of {replicas()} replicas, got {rows} rows"
        )
    return size


def local(matrix: Any) -> tf.Variable:
    """Return the TensorFlow variable with the rows of this replica."""
    return matrix.block() if isinstance(matrix, SharedRows) else _keras.variable(matrix)


class RowLayer(keras.layers.Layer):
    """A layer that can own matrices whose rows replicas share out.

    On one replica such a matrix is a weight like others. On several it is `SharedRows`, and Keras does not
    count it among the weights. `.keras` files hold the matrix whole: what was saved on any number of replicas
    can be loaded on any other. A checkpoint of TensorFlow holds the blocks, for as many replicas.
    """

    _own: tuple[str, ...] = ()

    def add_rows(self, name: str, shape: tuple[int, int], initializer: Any, together: int = 1) -> None:
        """Create a matrix ``[R, D]``, shared out by groups of rows, and make it the attribute ``name``."""
        if replicas() == 1:
            matrix: Any = self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)
        else:
            matrix = SharedRows(_blocks(name, shape, together), shape[0])
            matrix.assign(keras.initializers.get(initializer)(shape))
            for number, block in enumerate(matrix.blocks):  # checkpoints of Keras 3 follow no lists
                setattr(self, f"{name}_block_{number}", block)
        self.own(name, matrix)

    def own(self, name: str, variable: Any) -> None:
        """Make a variable the attribute ``name``, under which it is saved."""
        setattr(self, name, variable)
        self._own = (*self._own, name)

    @property
    def shards(self) -> list[tf.Variable]:
        """Variables with the rows of one replica each, of matrices that are saved whole."""
        return [block for name in self._own for block in getattr(getattr(self, name), "blocks", ())]

    def save_own_variables(self, store: Any) -> None:
        """Write the layer's variables by name, matrices whole."""
        for name in self._own:
            store[name] = np.asarray(getattr(self, name).numpy())

    def load_own_variables(self, store: Any) -> None:
        """Read the layer's variables by name; each replica takes its rows."""
        for name in self._own:
            getattr(self, name).assign(np.asarray(store[name]))


def _blocks(name: str, shape: tuple[int, int], together: int) -> Sequence[tf.Variable]:
    variable = tf.Variable(
        tf.zeros((rows_of_replica(name, shape[0], together), shape[1])),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.NONE,
        name=name,
    )
    blocks: Sequence[tf.Variable] = variable.values
    return blocks
