"""MXNet's ``.params``, written here byte by byte, into our models."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from fr_models import Head, create, load_weights
from fr_models.weights.mxnet_file import read_arrays
from tensorflow import keras

from tests.fr_models.conftest import Source
from tests.fr_models.insightface_files import (
    DIM,
    SIZE,
    assert_same,
    mxnet_arrays,
    params_bytes,
    run_onnx,
    write_onnx,
)


def test_iresnet(iresnet18: Source, tmp_path: Path) -> None:
    """Epsilon is 2e-5 there, and the last scale counts as 1 whatever the file has."""
    onnx = write_onnx(tmp_path / "net.onnx", iresnet18.state, folded=False, epsilon=2e-5)
    arrays = mxnet_arrays(iresnet18.state)
    arrays["arg:fc1_gamma"] = np.full(DIM, 7, np.float32)
    (tmp_path / "model-0000.params").write_bytes(params_bytes(arrays))
    model = create(
        "r18", embedding_dim=DIM, head=Head("E", scale=False, use_bias=True), input_shape=(SIZE, SIZE, 3)
    )
    report = load_weights(model, tmp_path / "model-0000.params")
    assert_same(model(iresnet18.images, training=False), run_onnx(onnx, iresnet18.images))
    assert len(report.matched) == len(model.weights) and not report.unused


@pytest.mark.parametrize("magic", [None, 0xF993FAC8, 0xF993FAC9, 0xF993FACA])
def test_versions(tmp_path: Path, magic: int | None, rng: np.random.Generator) -> None:
    arrays = {
        "arg:a_weight": rng.normal(size=(2, 3, 1, 1)).astype("float32"),
        "aux:b_moving_mean": rng.normal(size=4).astype("float16"),
    }
    (tmp_path / "x.params").write_bytes(params_bytes(arrays, magic))
    found = read_arrays(tmp_path / "x.params")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_half_precision_and_a_norm(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="conv0")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(epsilon=2e-5, name="bn_x")(x))
    kernel = np.arange(6, dtype="float16").reshape(2, 3, 1, 1)
    arrays = {"arg:c_weight": kernel, "arg:fc7": np.zeros((3, 2), "float32")}
    for role in ("arg:n_gamma", "arg:n_beta", "aux:n_moving_mean", "aux:n_moving_var"):
        arrays[role] = np.ones(2, "float16")
    (tmp_path / "x.params").write_bytes(params_bytes(arrays))
    report = load_weights(model, tmp_path / "x.params")
    np.testing.assert_array_equal(model.get_layer("conv0").kernel[0, 0], kernel[:, :, 0, 0].T)
    assert report.unused == ("fc7",)


BYTES = params_bytes({"arg:a_weight": np.ones((2, 3), "float32")})


@pytest.mark.parametrize("length", range(0, len(BYTES), 5))
def test_cut_off(tmp_path: Path, length: int) -> None:
    (tmp_path / "x.params").write_bytes(BYTES[:length])
    with pytest.raises(ValueError, match=r"x.params: cut off: expected \d+ bytes of .*, found \d+$"):
        read_arrays(tmp_path / "x.params")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (struct.pack("<QQ", 0x113, 0), r"expected a list of MXNet arrays, which starts with 0x112"),
        (
            params_bytes({"a": np.ones(2, "float32")}, storage=1),
            r"array 0: expected dense numbers, found sparse storage 1",
        ),
        (params_bytes({"a": np.ones(2)}), r"array 0: expected float32 \(0\) or float16 \(2\), found type 1"),
        (BYTES + b"xx", r"expected the end of the file after its names, found 2 bytes"),
        (
            struct.pack("<QQQIii", 0x112, 0, 1, 0xF993FAC9, 0, 33),
            r"array 0: expected up to 32 dimensions, found 33",
        ),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.params").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_arrays(tmp_path / "x.params")


def test_sizes_below_zero(tmp_path: Path) -> None:
    head = struct.pack("<QQQIiiq", 0x112, 0, 1, 0xF993FAC9, 0, 1, -5)
    (tmp_path / "x.params").write_bytes(head + bytes(64))
    with pytest.raises(ValueError, match=r"array 0: expected sizes of 0 or more, found \[-5\]"):
        read_arrays(tmp_path / "x.params")
