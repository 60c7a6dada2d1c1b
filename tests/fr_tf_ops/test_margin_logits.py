"""The dense head's logits in one pass."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

SCALE = 64.0


# One piece of 65,536 classes a sample, and more.
@pytest.mark.parametrize(("samples", "classes"), [(1, 1), (5, 7), (2, 70_000), (0, 7)])
def test_logits_and_gradients(ops: ModuleType, samples: int, classes: int, rng: np.random.Generator) -> None:
    cosines = rng.standard_normal((samples, classes)).astype(np.float32)
    target_logits = rng.standard_normal(samples).astype(np.float32)
    labels = rng.integers(0, classes, samples).astype(np.int32)
    g_logits = rng.standard_normal((samples, classes)).astype(np.float32)
    inputs = [tf.constant(cosines), tf.constant(target_logits)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = ops.margin_logits(*inputs, labels, SCALE)
    g_cosines, g_target_logits = tape.gradient(logits, inputs, output_gradients=tf.constant(g_logits))
    own = labels[:, None] == np.arange(classes)
    np.testing.assert_array_equal(logits, np.where(own, target_logits[:, None], np.float32(SCALE) * cosines))
    np.testing.assert_array_equal(g_cosines, np.where(own, 0, np.float32(SCALE) * g_logits))
    np.testing.assert_array_equal(g_target_logits, g_logits[own])


def test_in_a_function(ops: ModuleType) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def logits(cosines: tf.Tensor) -> tf.Tensor:
        return ops.margin_logits(cosines, [9.0, 9.0], [0, 2], 2.0)

    assert logits([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).numpy().tolist() == [[9, 4, 6], [8, 10, 9]]
