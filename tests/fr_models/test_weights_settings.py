"""With equal tensors, other settings give other numbers: such files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models import create, load_weights
from fr_models.layers import FeatureNorm, SelfAttention
from fr_models.weights._settings import Window
from tensorflow import keras

SIZE = 12
Lay = Any

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def net(
    *between: Any, size: int = SIZE, padding: str = "same", activation: Any = None, strides: int = 2
) -> keras.Model:
    image = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(4, 3, strides=1, padding="same", activation=activation, name="first")(image)
    for number, layer in enumerate(between):
        x = layer.__class__.from_config({**layer.get_config(), "name": f"between{number}"})(x)
    x = keras.layers.Conv2D(4, 3, strides=strides, padding=padding, name="second")(x)
    return keras.Model(image, keras.layers.Dense(2, name="last")(keras.layers.GlobalAveragePooling2D()(x)))


PAD, RELU = keras.layers.ZeroPadding2D(1), keras.layers.ReLU()
MAX, MEAN = keras.layers.MaxPooling2D(3, 2, "same"), keras.layers.AveragePooling2D(3, 2, "same")
EQUAL = {
    "relu": (net(RELU), net(keras.layers.Activation("relu"))),
    "fused": (net(RELU), net(activation="relu")),
    "relu6": (net(keras.layers.ReLU(6.0)), net(keras.layers.Activation("relu6"))),
    "swish": (net(keras.layers.Activation("swish")), net(activation="silu")),
    "dropout": (net(keras.layers.Dropout(0.2)), net(keras.layers.Activation("linear"))),
    "odd": (net(PAD, size=13, padding="valid"), net(size=13)),  # same pads alike there
    "pooling": (net(keras.layers.MaxPooling2D(2, 2)), net(keras.layers.MaxPooling2D(2, 2, "same"))),
}
OTHER = {
    "padding": (net(PAD, padding="valid"), net(), r"second: expected .+ padding \(\(1, 1\), \(1, 1\)\)"),
    "strides": (net(strides=1), net(), r"second: expected strides \(1, 1\) .+, found strides \(2, 2\)"),
    "activation": (net(RELU), net(activation="tanh"), r"second: expected relu before it, found tanh"),
    "none": (net(), net(RELU), r"second: expected nothing before it, found relu \(second\)"),
    "slope": (net(RELU), net(keras.layers.LeakyReLU()), r"second: expected relu before it, found relu\(s"),
    "limit": (net(RELU), net(keras.layers.ReLU(6.0)), r"second: expected relu before it, found relu6"),
    "pooling": (net(MAX), net(MEAN), r"second: expected max_pooling2d .+ before it, found average_pooling2d"),
    "pool": (net(PAD, keras.layers.MaxPooling2D(3, 2)), net(MAX), r"second: expected max_pooling2d of st"),
    "zeros": (net(PAD, keras.layers.MaxPooling2D(3, 2), size=13), net(MAX, size=13), r"padding same \("),
}  # fmt: skip


def ending(*last: Any, activation: Any = None) -> keras.Model:
    x = image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(4, name="last", activation=activation)(x)
    for number, layer in enumerate(last):
        x = layer.__class__.from_config({**layer.get_config(), "name": f"end{number}"})(x)
    return keras.Model(image, x)


def lengths() -> keras.Model:
    model = ending()
    return keras.Model(model.input, [model.output, FeatureNorm()(model.output)])


def scaled(*settings: float) -> Any:
    return keras.layers.Rescaling(*settings)


def attending(heads: int) -> keras.Model:
    image = keras.Input((SIZE, SIZE, 12))
    attended = SelfAttention(heads)(image)
    return keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(attended))


EQUAL |= {
    "fused end": (ending(keras.layers.Activation("tanh")), ending(activation="tanh")),
    "length": (ending(), lengths()),
    "scale": (net(scaled(0.5, 1.0)), net(scaled(0.5, 1.0))),
    "attention": (attending(2), attending(2)),
}
OTHER |= {
    "end": (ending(), ending(activation="tanh"), r"last: expected nothing at the end, after it, found tanh"),
    "our end": (ending(keras.layers.Softmax()), ending(), r"expected softmax\(axis -1\) at .+ nothing"),
    "unit": (ending(), ending(keras.layers.UnitNormalization()), r"at the end, after it, found unit_normali"),
    "scale": (net(scaled(1 / 255)), net(scaled(1 / 127.5, -1)), r"rescaling\(scale 0.0039.+, offset 0"),
    "heads": (attending(4), attending(2), r"self_attention\(heads 4\) before it, found .+\(heads 2\)"),
    "epsilon": (
        net(keras.layers.LayerNormalization(epsilon=1e-6)),
        net(keras.layers.LayerNormalization(epsilon=1e-3)),
        r"expected layer_normalization\(epsilon 1e-06\) before it, found layer_normalization\(epsilon 0.001",
    ),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("case", EQUAL)
def test_equal_settings(case: str, suffix: str, tmp_path: Path, rng: np.random.Generator) -> None:
    model, source = EQUAL[case]
    source.save(tmp_path / f"net{suffix}")
    load_weights(model, tmp_path / f"net{suffix}")
    images = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    expected = source(images)
    expected = expected[0] if isinstance(expected, list | tuple) else expected
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("case", OTHER)
def test_other_settings(case: str, suffix: str, tmp_path: Path) -> None:
    model, source, message = OTHER[case]
    source.save(tmp_path / f"net{suffix}")
    with pytest.raises(ValueError, match=message):
        load_weights(model, tmp_path / f"net{suffix}")


def test_a_registered_model(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"embedding_dim": 8, "input_shape": (32, 32, 3)}
    create("r18", **settings).save(tmp_path / "r18.keras")
    with pytest.raises(ValueError, match=r"stack1_block1_2_conv: expected .+\(0, 1\)\), found"):
        create("r18", **settings, padding="same", weights=tmp_path / "r18.keras")


def test_padding_of_pytorch_and_mxnet(tmp_path: Path, rng: np.random.Generator) -> None:
    """Their convolutions pad alike; ``same`` does on odd maps alone."""
    safetensors = pytest.importorskip("safetensors.numpy")
    state = {f"{name}.weight": rng.normal(size=(4, n, 3, 3)) for name, n in (("first", 3), ("second", 4))}
    state |= {f"{name}.bias": rng.normal(size=4) for name in ("first", "second")}
    state |= {"last.weight": rng.normal(size=(2, 4)), "last.bias": rng.normal(size=2)}
    safetensors.save_file({n: t.astype("float32") for n, t in state.items()}, tmp_path / "net.safetensors")
    load_weights(net(PAD, padding="valid"), tmp_path / "net.safetensors")
    load_weights(net(size=13), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"second: expected .+ pads alike at both sides; create"):
        load_weights(net(), tmp_path / "net.safetensors")


@pytest.mark.parametrize(("size", "expected"), [(12, (0, 1)), (13, (1, 1)), (None, None)])
def test_zeros_of_same(size: int | None, expected: tuple[int, int] | None) -> None:
    window = Window((2, 2), (3, 3), None).at(None if size is None else (size, size))
    assert window.padding == (None if expected is None else (expected, expected))
    assert not window.differs(Window((2, 2), (3, 3), None), None if size is None else (size, size))
