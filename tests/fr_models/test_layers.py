"""Own layers against their definitions, written out in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf
from fr_models.layers import (
    ChannelShuffle,
    CrossCovarianceAttention,
    FeatureNorm,
    FourierPosition,
    HardSigmoid,
    LayerScale,
    NearestResize,
    NormAwarePooling,
    SplitChannels,
)
from tensorflow import keras


def test_hard_sigmoid() -> None:
    x = np.array([-4.0, -3.0, -1.5, 0.0, 1.5, 3.0, 4.0], "float32")
    np.testing.assert_allclose(HardSigmoid()(x), [0, 0, 0.25, 0.5, 0.75, 1, 1], rtol=1e-6)


@pytest.mark.parametrize(("small", "large"), [(3, 7), (2, 4), (1, 3), (5, 5)])
def test_nearest_resize(small: int, large: int, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, small, small, 3)).astype("float32")
    places = [math.floor(i * small / large) for i in range(large)]
    np.testing.assert_array_equal(NearestResize(large, large)(x), x[:, places][:, :, places])


def test_channel_shuffle() -> None:
    x = np.arange(6, dtype="float32").reshape(1, 1, 1, 6)
    np.testing.assert_array_equal(np.ravel(ChannelShuffle(2)(x)), [0, 2, 4, 1, 3, 5])


def test_split_channels(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 2, 2, 5)).astype("float32")
    first, last = SplitChannels([2, 3])(x)
    np.testing.assert_array_equal(first, x[..., :2])
    np.testing.assert_array_equal(last, x[..., 2:])


def test_layer_scale(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 2, 2, 5)).astype("float32")
    np.testing.assert_allclose(LayerScale(0.5)(x), 0.5 * x)


def test_cross_covariance_attention(rng: np.random.Generator) -> None:
    heads, width = 2, 3
    x = rng.normal(size=(1, 2, 2, 3 * heads * width)).astype("float32")
    layer = CrossCovarianceAttention(heads)
    layer.build(x.shape)
    layer.set_weights([np.array([0.5, 2.0], "float32").reshape(2, 1, 1)])
    flat = x.astype(float).reshape(4, 3, heads, width)
    expected = np.zeros((4, heads, width))
    for head, temperature in enumerate((0.5, 2.0)):
        queries, keys, values = (flat[:, part, head] for part in range(3))
        for a in range(width):
            cosines = [
                queries[:, a] @ keys[:, b] / np.linalg.norm(queries[:, a]) / np.linalg.norm(keys[:, b])
                for b in range(width)
            ]
            weights = np.exp(temperature * np.array(cosines))
            expected[:, head, a] = values @ (weights / weights.sum())
    np.testing.assert_allclose(layer(x), expected.reshape(1, 2, 2, heads * width), rtol=1e-5, atol=1e-6)


def test_fourier_position(rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 2, 3, 4)).astype("float32")
    layer = FourierPosition(frequencies=2)
    layer.build(x.shape)
    kernel, bias = rng.normal(size=(4, 4)), rng.normal(size=4)
    layer.set_weights([kernel, bias])
    expected = x.astype(float)
    for row in range(2):
        for column in range(3):
            y, x_angle = 2 * math.pi * (row + 1) / 2, 2 * math.pi * (column + 1) / 3
            waves = [math.sin(y), math.cos(y), math.sin(x_angle), math.cos(x_angle)]
            expected[0, row, column] += waves @ kernel + bias
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [FeatureNorm(), NormAwarePooling()], ids=["norm", "pooling"])
def test_lengths_have_a_gradient_at_zeros(layer: keras.layers.Layer, rng: np.random.Generator) -> None:
    """Zero vectors get none; the others the derivative that small differences show."""
    shape = (3, 5) if isinstance(layer, FeatureNorm) else (2, 2, 2, 5)
    values = rng.normal(size=shape).astype("float32")
    values[0] = 0
    x, change = tf.constant(values), rng.normal(size=shape).astype("float32") * 1e-2
    change[0] = 0
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.square(layer(x)))
    gradient = np.asarray(tape.gradient(y, x))
    assert np.all(gradient[0] == 0)
    up, down = (float(tf.reduce_sum(tf.square(layer(x + sign * change)))) for sign in (1, -1))
    np.testing.assert_allclose(np.sum(gradient * change), (up - down) / 2, rtol=1e-2)
