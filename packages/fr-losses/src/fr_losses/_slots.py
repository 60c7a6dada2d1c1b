"""Tensors of equal size that a loop writes one by one, without a copy of those it has written."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from fr_losses import _keras


class Slots(Protocol):
    """``count`` slots of as many elements; ``slots`` is what `empty` or `put` has returned."""

    def empty(self) -> Any:
        """Return room for all."""
        ...

    def put(self, slots: Any, number: Any, values: tf.Tensor) -> Any:
        """Write one slot."""
        ...

    def get(self, slots: Any, number: Any) -> tf.Tensor:
        """Read one slot, flat."""
        ...

    def joined(self, slots: Any) -> tf.Tensor:
        """Return all slots, flat, one after the other."""
        ...


def slots_of(count: int, elements: Any, dtype: tf.DType) -> Slots:
    """Return slots for the kind of function that is being traced."""
    return (_Listed if _keras.within_xla() else _InPlace)(count, elements, dtype)


class _InPlace:
    """One tensor; loops own it alone, so that writing in place is seen by nobody else."""

    def __init__(self, count: int, elements: Any, dtype: tf.DType) -> None:
        self._shape, self._dtype = (count, elements), dtype

    def empty(self) -> tf.Tensor:
        return tf.raw_ops.Empty(shape=self._shape, dtype=self._dtype, init=False)

    def put(self, slots: tf.Tensor, number: Any, values: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(tf.cast(values, self._dtype), [1, -1])
        return tf.raw_ops.InplaceUpdate(x=slots, i=tf.reshape(number, [1]), v=flat)

    def get(self, slots: tf.Tensor, number: Any) -> tf.Tensor:
        return slots[number]

    def joined(self, slots: tf.Tensor) -> tf.Tensor:
        return tf.reshape(slots, [-1])


class _Listed:
    """A list of tensors, for XLA, which has no writing in place but copies less by itself."""

    def __init__(self, count: int, elements: Any, dtype: tf.DType) -> None:
        self._count, self._elements, self._dtype = count, tf.get_static_value(elements), dtype

    def empty(self) -> tf.TensorArray:
        return tf.TensorArray(
            self._dtype, size=self._count, element_shape=[self._elements], clear_after_read=False
        )

    def put(self, slots: tf.TensorArray, number: Any, values: tf.Tensor) -> tf.TensorArray:
        return slots.write(number, tf.reshape(tf.cast(values, self._dtype), [-1]))

    def get(self, slots: tf.TensorArray, number: Any) -> tf.Tensor:
        return slots.read(number)

    def joined(self, slots: tf.TensorArray) -> tf.Tensor:
        return slots.concat()
