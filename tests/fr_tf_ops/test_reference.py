"""The reference's gradients, against differences of its own sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.fr_tf_ops import _reference as reference
from tests.fr_tf_ops._reference import Head, Negatives

LABELS = np.array([0, 3, 3])
STEP = 1e-5


def differences(value: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    slopes = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[index] = STEP
        slopes[index] = (value(at + step) - value(at - step)) / (2 * STEP)
    return slopes


@pytest.mark.parametrize("sub_centers", [1, 2])
@pytest.mark.parametrize("kind", ["cosine", "hard", "drop", "angle"])
def test_softmax_gradients(kind: str, sub_centers: int, rng: np.random.Generator) -> None:
    x, weights = rng.standard_normal((3, 4)) / 4, rng.standard_normal((5 * sub_centers, 4))
    negatives = Negatives(kind, np.array([0.1, 0.0, -0.1]), 0.4)
    upstream = rng.standard_normal((3, 3))

    def value(x: np.ndarray, weights: np.ndarray) -> float:
        sums = reference.softmax_sums(Head(x, weights, LABELS, sub_centers), 4.0, negatives)
        return float((upstream * [sums["target"], sums["log_sum_exp"], sums["total"]]).sum())

    g_x, g_weights = reference.softmax_gradients(
        Head(x, weights, LABELS, sub_centers), 4.0, negatives, *upstream
    )
    np.testing.assert_allclose(g_x, differences(lambda x: value(x, weights), x), atol=1e-7)
    np.testing.assert_allclose(g_weights, differences(lambda w: value(x, w), weights), atol=1e-7)


def test_unified_gradients(rng: np.random.Generator) -> None:
    x, weights = rng.standard_normal((3, 4)) / 4, rng.standard_normal((10, 4))
    upstream = rng.standard_normal((2, 3))

    def value(x: np.ndarray, weights: np.ndarray, bias: float) -> float:
        sums = reference.unified_sums(Head(x, weights, LABELS, 2), 4.0, bias)
        return float((upstream * [sums["target"], sums["softplus"]]).sum())

    g_x, g_weights, g_bias = reference.unified_gradients(Head(x, weights, LABELS, 2), 4.0, 0.5, *upstream)
    np.testing.assert_allclose(g_x, differences(lambda x: value(x, weights, 0.5), x), atol=1e-7)
    np.testing.assert_allclose(g_weights, differences(lambda w: value(x, w, 0.5), weights), atol=1e-7)
    assert g_bias == pytest.approx(
        (value(x, weights, 0.5 + STEP) - value(x, weights, 0.5 - STEP)) / (2 * STEP)
    )
