"""Unit rows: their values and derivatives against float64, and rows too short to have a direction."""

from __future__ import annotations

from typing import Any

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses._norms import unit

from tests.fr_losses._metric_reference import slopes
from tests.fr_losses._reference import CASES


def with_gradient(function: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value.numpy(), tape.gradient(value, x).numpy()


@pytest.mark.parametrize("length", [1e-2, 1.0, 30.0, 1e6])
def test_values_and_derivatives(length: float) -> None:
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(4, 5)) * length, rng.normal(size=(4, 5))
    value, gradient = with_gradient(
        lambda x: tf.reduce_sum(unit(x) * tf.constant(weights, tf.float32)), rows.astype(np.float32)
    )

    def plain(x: np.ndarray) -> float:
        return sum(float(w @ row) / float(np.sqrt(row @ row)) for w, row in zip(weights, x, strict=True))

    assert float(value) == pytest.approx(plain(rows), rel=1e-5)
    expected = slopes(plain, rows, step=1e-6 * length)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 / length)


@pytest.mark.parametrize("length", [1e-4, 1e-5, 3e-6])
def test_derivatives_of_short_rows(length: float) -> None:
    """Those of a row of norm 1e-3 and the same direction; the direction itself is that of the row."""
    row, weights = np.array([[0.6, 0.8]], np.float32), tf.constant([[2.0, -1.0]])
    function = lambda x: tf.reduce_sum(unit(x) * weights)  # noqa: E731
    value, gradient = with_gradient(function, row * np.float32(length))
    wanted, of_longer = with_gradient(function, row * np.float32(1e-3))
    assert float(value) == pytest.approx(float(wanted), rel=1e-5)
    np.testing.assert_allclose(gradient, of_longer, rtol=1e-4)


@pytest.mark.parametrize("row", [[0.0, 0.0], [-0.0, 0.0], [1e-30, 0.0], [1e-20, 1e-20]])
def test_a_row_of_zeros(row: list[float]) -> None:
    weights = tf.constant([[2.0, -1.0]])
    value, gradient = with_gradient(lambda x: tf.reduce_sum(unit(x) * weights), [row])
    assert abs(float(value)) < 1e-12
    np.testing.assert_allclose(gradient, [[2e3, -1e3]], rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_an_embedding_of_zeros_in_the_dense_path(name: str, dtype: tf.DType) -> None:
    """Its gradient is at most 1000 times that of its direction."""
    loss = CASES[name].make(5)
    layer = fr_losses.NormDense(5, append_norm=loss.uses_norms)
    embeddings = np.random.default_rng(0).normal(size=(3, 4))
    embeddings[1] = 0
    x = tf.cast(embeddings, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        cosines = layer(x)
        losses = loss.call(tf.constant([0, 3, 2]), cosines)
    of_embeddings, of_cosines = tape.gradient(losses, [x, cosines])
    gradients = tf.cast(of_embeddings, tf.float32).numpy()
    assert np.isfinite(losses.numpy()).all() and np.isfinite(gradients).all()
    directions = unit(tf.convert_to_tensor(layer.class_weights)).numpy()
    wanted = 1e3 * of_cosines.numpy()[1, :5] @ directions
    np.testing.assert_allclose(gradients[1], wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())
    assert np.abs(gradients[1]).max() < 2e5
