"""What a file may have more than the model, and files of which only the backbone is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models import Head, create, load_weights
from tensorflow import keras

from tests.fr_models.conftest import Source
from tests.fr_models.insightface_files import DIM, SIZE, mxnet_arrays, params_bytes, write_onnx

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
SETTINGS: dict[str, Any] = {"embedding_dim": DIM, "head": "E", "input_shape": (SIZE, SIZE, 3)}
FORMATS = (".keras", ".h5", ".weights.h5", ".onnx", ".safetensors", ".params")


def write(path: Path, suffix: str, source: Source) -> Path:
    """An IResNet-18 with head E in one of all formats."""
    path = path / f"net{suffix}"
    if suffix == ".onnx":
        return write_onnx(path, source.state, folded=False)
    if suffix == ".params":
        path.write_bytes(params_bytes(mxnet_arrays(source.state)))
        return path
    if suffix == ".safetensors":
        pytest.importorskip("safetensors.numpy").save_file(source.state, path)
        return path
    model = create("r18", **{**SETTINGS, "head": Head("E", use_bias=True)})
    load_weights(model, source.onnx)
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_only_the_backbone(suffix: str, tmp_path: Path, iresnet18: Source) -> None:
    """Without `only` the file, which has a last batch normalisation, is refused."""
    path = write(tmp_path, suffix, iresnet18)
    if suffix == ".weights.h5" and "layers" in (names := _h5_names(path)) and not names["layers"]:
        pytest.skip("Keras 2 writes no names of layers there")
    with pytest.raises(ValueError, match=r"net.+: (stack1_)?\w+: expected"):
        create("r18", **{**SETTINGS, "head": Head("F", use_bias=True)}, weights=path)
    model = create("r18", embedding_dim=16, input_shape=(SIZE, SIZE, 3))
    kernel = np.array(model.get_layer("head_dense").kernel)
    report = load_weights(model, path, only="backbone")
    np.testing.assert_array_equal(model.get_layer("head_dense").kernel, kernel)
    np.testing.assert_allclose(
        model.get_layer("stack4_block2_3_bn").moving_variance,
        iresnet18.state["layer4.1.bn3.running_var"],
        rtol=1e-4,
    )
    assert "head_dense/kernel" in report.missing and len(report.unused) in (10, 11)
    assert len(report.matched) + len(report.missing) == len(model.weights)


def _h5_names(path: Path) -> dict[str, bool]:
    import h5py

    with h5py.File(path) as file:
        if "layers" not in file:
            return {}
        groups = file["layers"].values()
        return {"layers": any("name" in group.get("vars", group).attrs for group in groups)}


def test_activations_that_keras_applications_computes(tmp_path: Path) -> None:
    """MobileNetV3's hard sigmoid is written there as operations, which nothing can be compared with."""
    settings = {"weights": None, "include_top": False, "include_preprocessing": False}
    source = keras.applications.MobileNetV3Small((32, 32, 3), **settings)
    source.save(tmp_path / "net.keras")
    model = create("mobilenetv3_small", embedding_dim=8, input_shape=(32, 32, 3))
    assert not load_weights(model, tmp_path / "net.keras", only="backbone").unused


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_backbone_of_keras_applications(suffix: str, tmp_path: Path) -> None:
    """Other names, and a classifier at the end."""
    source = keras.applications.MobileNetV2((64, 64, 3), weights=None, classes=10)
    path = tmp_path / f"net{suffix}"
    (source.save_weights if suffix == ".weights.h5" else source.save)(path)
    model = create("mobilenetv2", embedding_dim=8, input_shape=(64, 64, 3))
    report = load_weights(model, path, only="backbone")
    assert len(report.unused) == 2 and all("head_" in name or "pre_" in name for name in report.missing)
    np.testing.assert_array_equal(model.get_layer("stem_conv").kernel, source.get_layer("Conv1").kernel)


def test_only_refuses() -> None:
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2, name="d")(image), name="own")
    with pytest.raises(ValueError, match=r'^only: expected "backbone" or nothing, got \'head\'$'):
        load_weights(model, __file__, only="head")  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("more", ["norm", "scale", "classes"])
def test_more_at_the_end(more: str, suffix: str, tmp_path: Path) -> None:
    """A normalisation would change embeddings; a class matrix does not, and the report says it."""
    image = keras.Input((4,))
    embedding = keras.layers.Dense(3, name="d")(image)
    last = {
        "norm": keras.layers.BatchNormalization(name="extra"),
        "scale": keras.layers.LayerNormalization(name="extra"),
        "classes": keras.layers.Dense(9, name="extra"),
    }[more]
    source, model = keras.Model(image, last(embedding)), keras.Model(image, embedding)
    path = tmp_path / f"net{suffix}"
    (source.save_weights if suffix == ".weights.h5" else source.save)(path)
    if more == "classes":
        assert len(load_weights(model, path).unused) == 2
        return
    with pytest.raises(ValueError, match=r"expected no other layers than the model's, found 1, such as this"):
        load_weights(model, path)


@pytest.mark.parametrize("prefix", ["backbone.", "model.backbone.", "module."])
def test_shared_prefixes_of_pytorch(prefix: str, tmp_path: Path, iresnet18: Source) -> None:
    """As Lightning and DistributedDataParallel write them, beside a class matrix of another name."""
    state = {f"{prefix}{name}": tensor for name, tensor in iresnet18.state.items()}
    state["head.kernel"] = np.zeros((DIM, 99), np.float32)
    path = tmp_path / "net.safetensors"
    pytest.importorskip("safetensors.numpy").save_file(state, path)
    report = load_weights(create("r18", **SETTINGS), path)
    assert report.unused == ("head.kernel",)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bn1.running_var", lambda t: -t, r"stem_bn: expected variances of 0 or more, found -"),
        ("conv1.weight", lambda t: t.astype("int8"), r"conv1.weight: expected floating-point .+, found int8"),
        ("norm.weight", lambda _: np.ones(8, "float32"), r"norm: expected no other layers .+ prelu \[8\]"),
        ("norm.scale", lambda _: np.ones(8, "float32"), r"norm.scale: expected tensors of known layers"),
    ],
)
def test_numbers_of_no_use(name: str, change: Any, message: str, tmp_path: Path, iresnet18: Source) -> None:
    state = {**iresnet18.state, name: change(iresnet18.state.get(name))}
    path = tmp_path / "net.safetensors"
    pytest.importorskip("safetensors.numpy").save_file(state, path)
    with pytest.raises(ValueError, match=message):
        load_weights(create("r18", **SETTINGS), path)


@pytest.mark.parametrize("path", [None, 3, ""])
def test_no_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"^path: expected the path of a file, got"):
        load_weights(keras.Sequential(), path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{tmp_path}: expected a file, found a folder$"):
        load_weights(keras.Sequential(), tmp_path)
    with pytest.raises(ValueError, match=r"^model: expected a Keras model, got 3$"):
        load_weights(3, tmp_path)
