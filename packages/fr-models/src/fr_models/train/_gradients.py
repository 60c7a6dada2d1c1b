"""Parts of a batch, and arithmetic of gradients: of whole weights, of some rows of one, of all replicas."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def size_of_parts(images: Any, parts: int) -> Any:
    """Count the samples of a part."""
    known = images.shape[0]
    if known is not None and known % parts:
        raise ValueError(f"accumulate: expected a batch of a multiple of {parts} images, got {known}")
    size = tf.shape(images)[0]
    message = f"accumulate: expected a batch of a multiple of {parts} images"
    with tf.control_dependencies([tf.debugging.assert_equal(size % parts, 0, message)]):
        return known // parts if known is not None else tf.identity(size // parts)


def part_of(values: Any, number: int, size: Any) -> Any:
    """Take the samples of a part."""
    return None if values is None else tf.identity(values[number * size : (number + 1) * size])


def added(first: Any, second: Any) -> Any:
    """Add up two gradients of a weight; of some rows, by putting one after the other."""
    if first is None or second is None:
        return second if first is None else first
    if not isinstance(first, tf.IndexedSlices):
        return first + second
    values, indices = (
        tf.concat([getattr(part, name) for part in (first, second)], 0) for name in ("values", "indices")
    )
    return tf.IndexedSlices(values, indices, first.dense_shape)


def with_distinct_rows(gradient: Any) -> Any:
    """Add up what a gradient of some rows has for one row, and let rows ascend."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    order = tf.argsort(gradient.indices, stable=True)
    rows, places = tf.unique(tf.gather(gradient.indices, order))
    sums = tf.math.unsorted_segment_sum(tf.gather(gradient.values, order), places, tf.size(rows))
    return tf.IndexedSlices(sums, rows, gradient.dense_shape)


def each(gradients: list[Any], change: Any) -> list[Any]:
    """Change the numbers of gradients."""

    def changed(gradient: Any) -> Any:
        if isinstance(gradient, tf.IndexedSlices):
            return tf.IndexedSlices(change(gradient.values), gradient.indices, gradient.dense_shape)
        return gradient if gradient is None else change(gradient)

    return [changed(gradient) for gradient in gradients]


def values_of(gradient: Any) -> tf.Tensor:
    """Return the numbers of a gradient, those of its rows if it is of some."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def sum_of_replicas(values: list[Any]) -> list[Any]:
    """Return the sums of what all replicas have."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1 or not values:
        return values
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, values))
