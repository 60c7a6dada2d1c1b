"""Sums of softplus and their gradients against float64, on every instruction set."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

from tests.fr_tf_ops import _reference as reference
from tests.fr_tf_ops._cases import assert_near, gradients, make_problem, upstream
from tests.fr_tf_ops._reference import Head

SCALE = 32.0
BIAS = 3.0


@pytest.mark.parametrize(("products", "tolerance"), [("float32", 3e-5), ("bfloat16", 2e-3)])
def test_sums_and_gradients(
    ops: ModuleType, isa: str, products: str, tolerance: float, rng: np.random.Generator
) -> None:
    shapes = itertools.product((1, 3, 64), (5, 64), (1, 2), (2, 130))
    for samples, dim, sub_centers, classes in shapes:
        x, weights, labels, _ = make_problem(rng, samples, dim, classes, sub_centers)
        head = Head(x, weights, labels, sub_centers, products)
        g_target, g_softplus = upstream(rng, samples, 2)
        inputs = [tf.constant(x), tf.constant(weights), tf.constant(BIAS)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            sums = ops.unified_sums(
                *inputs[:2], labels, SCALE, inputs[2], sub_centers=sub_centers, products=products
            )
        for name, expected in reference.unified_sums(head, SCALE, BIAS).items():
            np.testing.assert_allclose(getattr(sums, name), expected, rtol=1e-5, atol=1e-5 * SCALE)
        found = gradients(list(sums[:2]), [g_target, g_softplus], tape, inputs)
        expected = reference.unified_gradients(head, SCALE, BIAS, g_target, g_softplus)
        assert_near(found[0], expected[0], tolerance)
        assert_near(found[1], expected[1], tolerance)
        assert_near(found[2], expected[2], tolerance)


def test_softplus_where_it_is_nearly_linear_or_nearly_zero(ops: ModuleType, isa: str) -> None:
    weights = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], np.float32)
    labels = np.array([0], np.int32)
    for scale, bias in ((100.0, 0.0), (1.0, -50.0), (1.0, 80.0), (1e-6, 0.0)):
        found = ops.unified_sums(weights[:1], weights, labels, scale, bias).softplus
        expected = np.logaddexp(0.0, scale - bias) + np.logaddexp(0.0, -scale - bias)
        np.testing.assert_allclose(found, [expected], rtol=1e-6)
