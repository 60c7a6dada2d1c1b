"""Labels are class numbers; rows of weights over classes are taken only as two mixed classes (mixup)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from fr_losses import _keras

INT32_MAX = 2**31 - 1
TOLERANCE = 2e-3  # of a sum of weights


def class_numbers(labels: Any, classes: int | None, samples: Any) -> tf.Tensor:
    """Check labels and return them as ``int32[B]``.

    Keras casts labels to the dtype of the predictions, so whole numbers in floats are taken.

    Parameters
    ----------
    labels : integers or whole floats ``[B]`` or ``[B, 1]``
        The class of each sample.
    classes : int or None
        Their upper limit, if there is one.
    samples : tensor ``[B, ...]``
        What the labels are of.

    Raises
    ------
    ValueError
        If the shape is another.
    tf.errors.InvalidArgumentError
        If a label is no whole number or not in ``[0, classes)``, or if there is not one a sample. Not under
        XLA (``jit_compile=True``), which has no such checks.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.shape.rank == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape.rank != 1:
        raise ValueError(f"labels: expected the class numbers [B] of a batch, got shape {labels.shape}")
    samples = tf.convert_to_tensor(samples)
    if not labels.shape.is_compatible_with(samples.shape[:1]):
        raise ValueError(
            f"labels: expected one for each of {samples.shape[0]} samples, got {labels.shape[0]}"
        )
    numbers = tf.cast(labels, tf.int64)
    limit = INT32_MAX if classes is None else classes
    is_whole = tf.equal(tf.cast(numbers, labels.dtype), labels)
    checks = [
        tf.debugging.assert_equal(
            tf.shape(numbers)[0], tf.shape(samples)[0], "labels: expected one for each sample"
        ),
        _check(is_whole, "labels: expected whole numbers, the classes of the samples", labels),
        _check(numbers >= 0, "labels: expected class numbers from 0 on", labels),
        _check(numbers < limit, f"labels: expected class numbers below {limit}, the class count", labels),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        checked = tf.cast(numbers, tf.int32)
    return checked


def mixed_classes(labels: tf.Tensor, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Read mixup's rows of weights: ``(float32[B, 2], int32[B, 2])``, the weights and classes of each sample.

    Parameters
    ----------
    labels : float ``[B, classes]``
        Rows of at most two weights whose sum is 1.
    classes : int
        The class count.

    Raises
    ------
    ValueError
        If there is not one weight a class.
    tf.errors.InvalidArgumentError
        If a row is not two weights whose sum is 1.
    """
    if labels.shape[1] != classes:
        raise ValueError(
            f"labels: expected class numbers [B] or rows of {classes} weights, got shape {labels.shape}"
        )
    labels = tf.cast(labels, tf.float32)
    weights, numbers = tf.math.top_k(labels, 2)
    message = "labels: expected rows of one or two weights whose sum is 1"
    top, every = tf.reduce_sum(weights, axis=1), tf.reduce_sum(tf.abs(labels), axis=1)
    is_two = (tf.abs(top - 1.0) <= TOLERANCE) & (tf.abs(every - 1.0) <= TOLERANCE)
    check = _check(is_two, message, tf.stack([top, every], axis=1), "as sums of the two largest and of all")
    with tf.control_dependencies([] if check is None else [check]):
        checked = tf.identity(weights)
    return checked, tf.cast(numbers, tf.int32)


def _check(is_good: tf.Tensor, message: str, values: tf.Tensor, what: str = "") -> Any:
    """Refuse a batch, and say the first of its ``values`` that is not good and its place.

    In a graph this is an operation, which others must depend on; under XLA it is nothing.
    """
    if _keras.within_xla():
        return None
    bad = tf.where(~is_good)[:1, 0]
    value = tf.gather(values, bad)
    got = f"{message}, got {what}".rstrip()
    if not tf.executing_eagerly():
        return tf.debugging.Assert(tf.reduce_all(is_good), [got, value, "of sample", bad])
    if tf.size(bad):
        raise tf.errors.InvalidArgumentError(
            None, None, f"{got} {np.array2string(value.numpy()[0])} of sample {bad.numpy()[0]}"
        )
    return None
