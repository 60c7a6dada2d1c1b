"""Sums and gradients against float64, on every instruction set and over shapes, settings and types."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

from tests.fr_tf_ops import _reference as reference
from tests.fr_tf_ops._cases import Problem, assert_near, gradients, make_problem, upstream
from tests.fr_tf_ops._reference import Head, Negatives

SCALE = 32.0
SAMPLES = (1, 3, 64)
DIMS = (1, 5, 64, 512)
SUB_CENTERS = (1, 2, 3)
# Within a chunk of 120 rows, around one, over several; and enough for several blocks of chunks.
CLASSES = (2, 40, 119, 120, 121, 401)
DTYPES = ("float32", "bfloat16", "float16")
KINDS = ("cosine", "hard", "drop", "angle")
PRODUCTS = ("float32", "bfloat16")
# What a sum of products in float32 loses, times the scale; bfloat16's gradients may round the other way where
# float32 and float64 differ in the last bit.
SUMS_TOLERANCE = {"float32": 2e-5, "bfloat16": 2e-5}
GRADIENT_TOLERANCE = {"float32": 3e-5, "bfloat16": 2e-3}
STORED_TOLERANCE = {"float32": 0.0, "bfloat16": 2.0**-8, "float16": 2.0**-11}


def negatives_of(kind: str, samples: int) -> Negatives:
    if kind in ("hard", "drop"):
        return Negatives(kind, np.linspace(0.05, 0.5, samples, dtype=np.float32), 0.3)
    return Negatives(kind)


def check(
    ops: ModuleType, problem: Problem, negatives: Negatives, products: str, rng: np.random.Generator
) -> None:
    x, weights, labels, sub_centers = problem
    head = Head(x, weights, labels, sub_centers, products)
    g_target, g_log_sum_exp, g_total = upstream(rng, len(x), 3)
    inputs = [tf.constant(x), tf.constant(weights)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        sums = ops.softmax_sums(
            *inputs, labels, SCALE, sub_centers=sub_centers, products=products, **negatives.settings()
        )
    for name, expected in reference.softmax_sums(head, SCALE, negatives).items():
        room = SUMS_TOLERANCE[products] * (len(weights) ** 0.5 if name == "total" else 1.0)
        np.testing.assert_allclose(getattr(sums, name), expected, rtol=1e-6, atol=room * SCALE)
    found = gradients(list(sums[:3]), [g_target, g_log_sum_exp, g_total], tape, inputs)
    expected = reference.softmax_gradients(head, SCALE, negatives, g_target, g_log_sum_exp, g_total)
    assert_near(found[0], expected[0], GRADIENT_TOLERANCE[products])
    stored = STORED_TOLERANCE[weights.dtype.name]
    # Nothing is left of a gradient along its row: where all of it is, rounding is all that is left.
    size = 0.1 * SCALE / head.norms.min()
    assert_near(found[1], expected[1], GRADIENT_TOLERANCE[products] + stored, size)


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("samples", SAMPLES)
def test_shapes(ops: ModuleType, isa: str, samples: int, products: str, rng: np.random.Generator) -> None:
    """All shapes; classes, types and negatives take turns over them."""
    for turn, (dim, sub_centers) in enumerate(itertools.product(DIMS, SUB_CENTERS)):
        kind = "cosine" if dim == 1 else KINDS[turn % 3]  # an angle at a cosine of 1 is all rounding
        dtype = DTYPES[turn // 3 % 3]
        problem = make_problem(rng, samples, dim, CLASSES[turn % len(CLASSES)], sub_centers, dtype)
        check(ops, problem, negatives_of(kind, samples), products, rng)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_settings(ops: ModuleType, isa: str, dtype: str, kind: str, rng: np.random.Generator) -> None:
    for products, sub_centers in itertools.product(PRODUCTS, (1, 3)):
        problem = make_problem(rng, 33, 48, 130, sub_centers, dtype)
        check(ops, problem, negatives_of(kind, 33), products, rng)


def test_blocks_of_chunks(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    check(ops, make_problem(rng, 5, 24, 2500, 1), Negatives(), "float32", rng)


def test_more_sub_centers_than_a_chunk_has_rows(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    check(ops, make_problem(rng, 5, 24, 3, 150), Negatives(), "float32", rng)


def test_rows_that_are_not_aligned(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    for dim in (15, 16, 17, 31, 33, 100):
        check(ops, make_problem(rng, 7, dim, 45, 1), Negatives(), "float32", rng)


@pytest.mark.parametrize("products", PRODUCTS)
def test_instruction_sets_agree(
    ops: ModuleType, products: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weights, labels, _ = make_problem(rng, 20, 96, 300, 1)
    results = []
    for isa in ops.isas():
        monkeypatch.setenv("FR_TF_OPS_ISA", isa)
        results.append(np.stack(ops.softmax_sums(x, weights, labels, SCALE, products=products)))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-6, atol=2e-4)


def test_target_is_exact_whatever_the_products(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    x, weights, labels, _ = make_problem(rng, 64, 512, 100, 1)
    target = Head(x, weights, labels).target
    for products in PRODUCTS:
        np.testing.assert_allclose(
            ops.softmax_sums(x, weights, labels, SCALE, products=products).target, target, rtol=1e-7
        )


def test_in_a_function_of_unknown_shapes(ops: ModuleType, rng: np.random.Generator) -> None:
    x, weights, labels, _ = make_problem(rng, 6, 12, 30, 1)
    variable = tf.Variable(weights)

    @tf.function(input_signature=[tf.TensorSpec([None, 12]), tf.TensorSpec([None], tf.int32)])
    def step(x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            sums = ops.softmax_sums(x, variable, labels, SCALE)
            loss = tf.reduce_sum(sums.log_sum_exp - sums.target)
        assert sums.target.shape.rank == 1
        return tuple(tape.gradient(loss, [variable])), sums.log_sum_exp

    (found,), log_sum_exp = step(x, labels)
    head = Head(x, weights, labels)
    ones = np.ones(6)
    expected = reference.softmax_gradients(head, SCALE, Negatives(), -ones, ones, 0 * ones)[1]
    assert_near(found.numpy(), expected, 3e-5)
    assert_near(log_sum_exp.numpy(), reference.softmax_sums(head, SCALE, Negatives())["log_sum_exp"], 1e-5)


def test_skipped_classes(ops: ModuleType, isa: str, rng: np.random.Generator) -> None:
    """Those that nobody gives a share get exactly 0, the others what they had, to within what is left out."""
    x, weights, labels, sub_centers = make_problem(rng, 9, 16, 500, 2)
    skip_below = 1e-3
    inputs = [tf.constant(x), tf.constant(weights)]
    found = {}
    for skip in (0.0, skip_below):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            sums = ops.softmax_sums(*inputs, labels, SCALE, sub_centers=sub_centers, skip_below=skip)
            loss = tf.reduce_sum(sums.log_sum_exp - sums.target)
            smoothed = loss + tf.reduce_sum(sums.total)
        found[skip] = [g.numpy() for g in tape.gradient(loss, inputs)]
        found[skip, "total"] = [g.numpy() for g in tape.gradient(smoothed, inputs)]
    head = Head(x, weights, labels, sub_centers)
    log_sum_exp = reference.softmax_sums(head, SCALE, Negatives())["log_sum_exp"]
    shares = np.exp(SCALE * head.cosines - log_sum_exp[:, None])
    skipped = ~((shares >= skip_below) | head.own).any(axis=0)
    assert 0 < skipped.sum() < len(skipped)
    assert not found[skip_below][1].reshape(500, 2, 16)[skipped].any()
    np.testing.assert_allclose(
        found[skip_below][1].reshape(500, 2, 16)[~skipped],
        found[0.0][1].reshape(500, 2, 16)[~skipped],
        atol=1e-5 * np.abs(found[0.0][1]).max(),
    )
    left_out = (shares * skipped).sum(axis=1)
    assert (left_out <= 500 * skip_below).all()
    assert (np.linalg.norm(found[skip_below][0] - found[0.0][0], axis=1) <= SCALE * left_out + 1e-4).all()
    for some, all_of_them in zip(found[skip_below, "total"], found[0.0, "total"], strict=True):
        np.testing.assert_array_equal(some, all_of_them)
