"""NormDense against a plain float64 loop: cosines, sub-centres, norms, gradients, half precision."""

from __future__ import annotations

import math
from pathlib import Path

import fr_losses
import numpy as np
import pytest
import tensorflow as tf
from fr_losses import _keras
from tensorflow import keras

from tests.fr_losses._metric_reference import cosine, slopes


def outputs(x: np.ndarray, rows: np.ndarray, sub_centers: int, append_norm: bool) -> np.ndarray:
    """The largest cosine of each class's rows, and minus the norm."""
    lines = []
    for embedding in x:
        all_cosines = [cosine(embedding, row) for row in rows]
        line = [max(all_cosines[k : k + sub_centers]) for k in range(0, len(rows), sub_centers)]
        lines.append(line + [-math.sqrt(float(embedding @ embedding))] * append_norm)
    return np.array(lines)


@pytest.mark.parametrize("sub_centers", [1, 3])
@pytest.mark.parametrize("append_norm", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_numbers(sub_centers: int, append_norm: bool, policy: str) -> None:
    """In half precision those of the rounded embeddings, as float32."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        layer = fr_losses.NormDense(5, sub_centers, append_norm)
        x = tf.constant(np.random.default_rng(0).normal(size=(7, 4)) * 9, layer.dtype)
        if policy != "float32":
            x = tf.cast(x, policy.removeprefix("mixed_"))
        got = layer(x)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    rows = layer.class_weights.numpy().astype(np.float64)
    assert rows.shape == (5 * sub_centers, 4) and got.dtype == tf.float32
    wanted = outputs(tf.cast(x, tf.float64).numpy(), rows, sub_centers, append_norm)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert got.shape == layer.compute_output_shape(x.shape) == (7, 5 + append_norm)


@pytest.mark.parametrize("sub_centers", [1, 3])
def test_gradients(sub_centers: int) -> None:
    """Of embeddings and rows; the largest cosine's row alone gets one."""
    rng = np.random.default_rng(1)
    x, upstream = rng.normal(size=(6, 4)), rng.normal(size=(6, 6))
    layer = fr_losses.NormDense(5, sub_centers, append_norm=True)
    layer.build((None, 4))
    rows = layer.class_weights.numpy().astype(np.float64)
    tensor, weights = tf.constant(x, tf.float32), _keras.variable(layer.class_weights)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(layer(tensor) * tf.constant(upstream, tf.float32))
    of_x, of_rows = tape.gradient(total, [tensor, weights])
    expected = slopes(lambda moved: float((outputs(moved, rows, sub_centers, True) * upstream).sum()), x)
    np.testing.assert_allclose(of_x, expected, rtol=1e-3, atol=1e-4)
    expected = slopes(lambda moved: float((outputs(x, moved, sub_centers, True) * upstream).sum()), rows)
    np.testing.assert_allclose(of_rows, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_saved_under_mixed_float16(tmp_path: Path) -> None:
    """Cosines stay float32 in the file that is loaded too."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        faces = keras.Input((4,))
        model = keras.Model(faces, fr_losses.NormDense(5, 2, True)(keras.layers.Dense(4)(faces)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    assert again(x).dtype == tf.float32
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[-1].get_config() == model.layers[-1].get_config()
