"""Attention layers against plain loops, and other layers of backbones against their formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models.layers import (
    AxisSum,
    GroupedConv2D,
    HardSigmoid,
    HardSwish,
    PatchMerging,
    RelativeAttention,
    SelfAttention,
    WindowAttention,
    grouped_conv,
)

Place = tuple[int, int]
Bias = Callable[[int, Place, Place, np.ndarray], float]


def attention(
    packed: np.ndarray, heads: int, bias: Bias, allowed: Callable[[Place, Place], bool]
) -> np.ndarray:
    """Place by place and head by head, in float64; ``bias(head, from, to, query)`` comes to the logits."""
    height, width, channels = packed.shape
    dim = channels // 3
    depth = dim // heads
    places = [(i, j) for i in range(height) for j in range(width)]
    result = np.zeros((height, width, dim))
    for head in range(heads):
        part = slice(head * depth, (head + 1) * depth)
        for here in places:
            query = packed[here][:dim][part] / np.sqrt(depth)
            seen = [there for there in places if allowed(here, there)]
            keys = [packed[there][dim : 2 * dim][part] for there in seen]
            logits = [
                query @ key + bias(head, here, there, query) for key, there in zip(keys, seen, strict=True)
            ]
            weights = np.exp(logits) / np.sum(np.exp(logits))
            for weight, there in zip(weights, seen, strict=True):
                result[here][part] += weight * packed[there][2 * dim :][part]
    return result


def everywhere(here: Place, there: Place) -> bool:
    del here, there
    return True


def test_self_attention(rng: np.random.Generator) -> None:
    packed = rng.normal(size=(2, 3, 2, 24)).astype("float32")
    result = SelfAttention(heads=4)(packed)
    for image in range(2):
        expected = attention(packed[image].astype(float), 4, lambda *_: 0.0, everywhere)
        np.testing.assert_allclose(result[image], expected, rtol=1e-4, atol=1e-5)


def test_relative_attention(rng: np.random.Generator) -> None:
    packed = rng.normal(size=(2, 3, 4, 24)).astype("float32")
    layer = RelativeAttention(heads=2)
    layer(packed)
    rows, columns = rng.normal(size=(5, 4)), rng.normal(size=(7, 4))
    layer.set_weights([rows, columns])

    def bias(head: int, here: Place, there: Place, query: np.ndarray) -> float:
        del head
        return float(query @ (rows[there[0] - here[0] + 2] + columns[there[1] - here[1] + 3]))

    result = layer(packed)
    for image in range(2):
        expected = attention(packed[image].astype(float), 2, bias, everywhere)
        np.testing.assert_allclose(result[image], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (6, 3), (5, 8), (2, 3)])
def test_window_attention(height: int, width: int, shifted: bool, rng: np.random.Generator) -> None:
    """Places attend to those of the same window of the shifted grid, of which none goes around an edge."""
    packed = rng.normal(size=(2, height, width, 12)).astype("float32")
    layer = WindowAttention(heads=2, window=3, shifted=shifted)
    layer(packed)
    rows, columns = min(3, height), min(3, width)
    table = rng.normal(size=(2 * rows - 1, 2 * columns - 1, 2))
    layer.set_weights([table.reshape(-1, 2)])
    down = rows // 2 if shifted and rows < height else 0
    right = columns // 2 if shifted and columns < width else 0

    def window(place: Place) -> Place:
        return (place[0] - down) // rows, (place[1] - right) // columns

    def bias(head: int, here: Place, there: Place, query: np.ndarray) -> float:
        del query
        return float(table[here[0] - there[0] + rows - 1, here[1] - there[1] + columns - 1, head])

    result = layer(packed)
    for image in range(2):
        expected = attention(
            packed[image].astype(float), 2, bias, lambda here, there: window(here) == window(there)
        )
        np.testing.assert_allclose(result[image], expected, rtol=1e-4, atol=1e-5)


def test_patch_merging() -> None:
    """Of torchvision: (0, 0), (1, 0), (0, 1), (1, 1), and zeros where a side is odd."""
    x = np.arange(1, 7, dtype="float32").reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(PatchMerging()(x), [[[[1, 4, 2, 5], [3, 6, 0, 0]]]])


def test_axis_sum(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_allclose(AxisSum(-2)(x), x.sum(axis=2), rtol=1e-5, atol=1e-6)
    assert AxisSum(-2).compute_output_shape(x.shape) == (2, 3, 5)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(HardSigmoid(), [0, 0, 1 / 3, 1 / 2, 1, 1]), (HardSwish(), [0, 0, -1 / 3, 0, 3, 4])],
)
def test_hard_activations(layer: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(layer(np.float32([-4, -3, -1, 0, 3, 4])), expected, rtol=1e-6)


@pytest.mark.parametrize(("strides", "padding", "use_bias"), [(1, "same", True), (2, "valid", False)])
@pytest.mark.parametrize("has_gradients", [True, False])
def test_grouped_convolution(
    strides: int,
    padding: str,
    use_bias: bool,
    has_gradients: bool,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two convolutions, side by side, by TensorFlow and by Keras."""
    monkeypatch.setattr(grouped_conv, "_has_gradients", lambda dtype: has_gradients)
    x = rng.normal(size=(2, 7, 6, 4)).astype("float32")
    kernel, bias = rng.normal(size=(3, 3, 2, 6)).astype("float32"), rng.normal(size=6).astype("float32")
    layer = GroupedConv2D(6, 3, strides=strides, padding=padding, groups=2, use_bias=use_bias)
    layer(x)
    layer.set_weights([kernel, bias] if use_bias else [kernel])
    halves = [
        tf.nn.conv2d(x[..., :2], kernel[..., :3], strides, padding.upper()),
        tf.nn.conv2d(x[..., 2:], kernel[..., 3:], strides, padding.upper()),
    ]
    expected = np.concatenate(halves, axis=-1) + use_bias * bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_grouped_convolution_has_gradients_within_a_function(rng: np.random.Generator) -> None:
    """By whichever way this machine has, found while the function is traced."""
    grouped_conv._has_gradients.cache_clear()
    layer = GroupedConv2D(6, 3, groups=2)
    x = tf.constant(rng.normal(size=(2, 7, 6, 4)), tf.float32)
    layer(x)

    @tf.function
    def gradients(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    assert all(np.any(gradient != 0) for gradient in gradients(x))
