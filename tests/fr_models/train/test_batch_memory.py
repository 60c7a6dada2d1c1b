"""What follows a batch comes back, whatever its shape: whole, or the rows of the batch's classes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
from fr_models.train.batch_memory import BatchMemory
from tensorflow import keras

CLASSES = 6
SHAPES: dict[str, tuple[int, ...]] = {
    "scale": (),
    "histogram": (3,),
    "directions": (2, CLASSES),
    "seen": (CLASSES,),
    "centers": (CLASSES, 2),
}


class Head(keras.layers.Layer):
    """A head of classes with states of many shapes."""

    classes = CLASSES

    def build(self, input_shape: Any) -> None:
        """Create them."""
        for name, shape in SHAPES.items():
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer="ones", trainable=False))
        self.built = True


class Unclassed(Head):
    """The same of nobody's classes."""

    classes = None


def states(layer: Any) -> dict[str, np.ndarray]:
    return {name: np.array(getattr(layer, name).numpy()) for name in SHAPES}


def test_states_of_every_shape_come_back() -> None:
    inputs = keras.Input((4,))
    backbone = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    head, state = Head(), Unclassed()
    head.build((None, 4))
    state.build((None, 4))
    losses = [(SimpleNamespace(state=state), 0.1)]
    memory = BatchMemory(SimpleNamespace(backbone=backbone, head=head, embedding_losses=losses))
    batch = tf.zeros([3, 4]), tf.constant([0, 4, 4])
    before = [*states(head).values(), *states(state).values(), *(w.numpy() for w in backbone.weights)]
    kept = memory.kept(batch)
    assert [rows.shape.as_list() for rows in kept.rows] == [[3], [3, 2]]  # no matrix is copied
    for weight in [*head.weights, *state.weights, *backbone.non_trainable_weights]:
        rows = [0, 4] if weight is head.seen or weight is head.centers else slice(None)
        changed = np.array(weight.numpy())
        changed[rows if changed.ndim else ...] = np.nan
        weight.assign(changed)
    memory.put_back(kept)
    after = [*states(head).values(), *states(state).values(), *(w.numpy() for w in backbone.weights)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
