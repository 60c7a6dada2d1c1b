"""Where formulas are weakest: equal and opposite rows, rows of no or of huge length, nobody, NaN."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

from tests.fr_tf_ops import _reference as reference
from tests.fr_tf_ops._cases import assert_near, make_problem
from tests.fr_tf_ops._reference import Head, Negatives

PRODUCTS = ("float32", "bfloat16")


def with_gradients(
    ops: ModuleType, x: np.ndarray, weights: np.ndarray, labels: np.ndarray, scale: float, **settings: object
) -> tuple[tuple[np.ndarray, ...], list[np.ndarray]]:
    """Sums, and gradients of cross-entropy without a margin."""
    inputs = [tf.constant(x), tf.constant(weights)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        sums = ops.softmax_sums(*inputs, labels, scale, **settings)
        loss = tf.reduce_sum(sums.log_sum_exp - sums.target)
    return tuple(s.numpy() for s in sums), [g.numpy() for g in tape.gradient(loss, inputs)]


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("kind", ["cosine", "hard", "drop", "angle"])
def test_cosines_of_one_and_minus_one(ops: ModuleType, isa: str, kind: str, products: str) -> None:
    x = np.eye(4, 64, dtype=np.float32)
    weights = np.concatenate([3 * x, -2 * x])
    labels = np.arange(4, dtype=np.int32)
    negatives = (
        Negatives(kind, np.full(4, 0.5, np.float32), 0.3) if kind in ("hard", "drop") else Negatives(kind)
    )
    sums, found = with_gradients(ops, x, weights, labels, 64.0, products=products, **negatives.settings())
    head = Head(x, weights, labels)
    for got, expected in zip(sums, reference.softmax_sums(head, 64.0, negatives).values(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-5)
    ones = np.ones(4)
    expected_gradients = reference.softmax_gradients(head, 64.0, negatives, -ones, ones, 0 * ones)
    tolerance = 1e-4 if products == "float32" else 1e-2
    for got, expected in zip(found, expected_gradients, strict=True):
        assert_near(got, expected, tolerance)


@pytest.mark.parametrize("kind", ["cosine", "angle"])
def test_slopes_stay_finite_at_another_class_as_near_as_can_be(ops: ModuleType, isa: str, kind: str) -> None:
    x = np.full((2, 64), 0.125, np.float32)
    weights = np.concatenate([x, x, -x])
    sums, found = with_gradients(ops, x, weights, np.array([0, 1], np.int32), 64.0, negatives=kind)
    assert all(np.isfinite(value).all() for value in (*sums, *found))
    assert sums[3].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("products", PRODUCTS)
def test_rows_of_no_length(ops: ModuleType, isa: str, products: str, rng: np.random.Generator) -> None:
    x, weights, labels, _ = make_problem(rng, 5, 32, 20, 1)
    weights[[3, labels[0]]] = 0
    sums, found = with_gradients(ops, x, weights, labels, 16.0, products=products)
    assert sums[0][0] == 0
    head = Head(x, weights, labels, 1, products)
    ones = np.ones(5)
    expected = reference.softmax_gradients(head, 16.0, Negatives(), -ones, ones, 0 * ones)
    tolerance = 1e-4 if products == "float32" else 1e-2
    assert_near(found[0], expected[0], tolerance)
    assert_near(found[1], expected[1], tolerance)


@pytest.mark.parametrize("size", [1e-20, 1e25])
def test_rows_of_tiny_and_huge_length(
    ops: ModuleType, isa: str, size: float, rng: np.random.Generator
) -> None:
    """Squares of huge ones overflow float32; tiny ones are shorter than the smallest norm."""
    x, weights, labels, _ = make_problem(rng, 5, 32, 20, 1)
    weights = (weights * size).astype(np.float32)
    sums, found = with_gradients(ops, x, weights, labels, 16.0)
    head = Head(x, weights, labels)
    expected = reference.softmax_sums(head, 16.0, Negatives())
    for got, value in zip(sums, expected.values(), strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-5)
    assert all(np.isfinite(value).all() for value in found)


def test_samples_of_any_length(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    """A scale of each sample may be in its row: cosines up to 64, a scale of 1."""
    x, weights, labels, _ = make_problem(rng, 5, 32, 200, 1)
    sums, _ = with_gradients(ops, 64 * x, weights, labels, 1.0)
    expected = reference.softmax_sums(Head(64 * x, weights, labels), 1.0, Negatives())
    for got, value in zip(sums, expected.values(), strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-3)


def test_logits_that_overflow_alone(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    """exp(500) is no float32, and exp(-500) is 0: the largest logit is taken out first."""
    x, weights, labels, _ = make_problem(rng, 5, 8, 300, 1)
    for scale in (500.0, -500.0):
        sums, found = with_gradients(ops, x, weights, labels, scale)
        expected = reference.softmax_sums(Head(x, weights, labels), scale, Negatives())
        np.testing.assert_allclose(sums[1], expected["log_sum_exp"], rtol=1e-5)
        assert all(np.isfinite(value).all() for value in found)


def test_nobody(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    weights = make_problem(rng, 1, 8, 30, 1).weights
    sums, found = with_gradients(ops, np.zeros((0, 8), np.float32), weights, np.zeros(0, np.int32), 64.0)
    assert [value.shape for value in sums] == [(0,)] * 4
    assert found[0].shape == (0, 8) and found[1].shape == (30, 8) and not found[1].any()


def test_one_class_has_no_others(ops: ModuleType, isa: str) -> None:
    weights = np.ones((1, 4), np.float32)
    sums, found = with_gradients(ops, weights, weights, np.zeros(1, np.int32), 8.0)
    assert sums[0] == 2 and sums[1] == -np.inf and sums[2] == 0 and sums[3] == -np.inf
    np.testing.assert_allclose(found[0], np.full((1, 4), -0.5))


@pytest.mark.parametrize("sub_centers", [1, 2])
@pytest.mark.parametrize("where", ["x", "weights"])
def test_nan_comes_out(
    ops: ModuleType, isa: str, where: str, sub_centers: int, rng: np.random.Generator
) -> None:
    """Of a sample: in all it gives and gets. Of a class: in the sums of all samples."""
    x, weights, labels, _ = make_problem(rng, 3, 16, 40, sub_centers)
    labels[:] = [0, 1, 2]
    (x if where == "x" else weights)[1 if where == "x" else 20 * sub_centers, 3] = np.nan
    sums, found = with_gradients(ops, x, weights, labels, 8.0, sub_centers=sub_centers)
    expected = [False, True, False] if where == "x" else [True, True, True]
    for value in sums[1:]:
        assert np.isnan(value).tolist() == expected
    assert np.isnan(found[0]).any(axis=1).tolist() == expected
