"""Files of Keras into our models: of the Keras that runs, and of both, written here group by group."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fr_eval.embedders import Preprocessing, load_embedder
from fr_models import create, load_weights, save
from fr_models.layers import ChannelPReLU
from tensorflow import keras

from tests.fr_eval.faces import face

SIZE = 16


def residual(rng: np.random.Generator | None = None, prefix: str = "", epsilon: float = 1e-3) -> Any:
    """Two blocks whose shortcuts have the shapes of their branches, and a dense layer; numbers as trained."""
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = image
    for block in range(2):
        name = f"{prefix}block{block}"
        y = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        y = keras.layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(y)
        y = ChannelPReLU(name=f"{name}_act")(y)
        y = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_dw")(y)
        y = keras.layers.BatchNormalization(epsilon=epsilon, scale=False, name=f"{name}_dw_bn")(y)
        z = keras.layers.Conv2D(4, 1, use_bias=False, name=f"{name}_sc")(x)
        z = keras.layers.BatchNormalization(epsilon=epsilon, scale=False, name=f"{name}_sc_bn")(z)
        x = keras.layers.Add(name=f"{name}_add")([y, z])
    x = keras.layers.Flatten(name=f"{prefix}flat")(x)
    model = keras.Model(image, keras.layers.Dense(6, name=f"{prefix}dense")(x), name="net")
    if rng is not None:
        for variable in model.weights:
            variable.assign(rng.uniform(0.2, 1, variable.shape))
    return model


def images(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(2, SIZE, SIZE, 3)).astype("float32")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_files_of_this_keras(tmp_path: Path, suffix: str, rng: np.random.Generator) -> None:
    source, path = residual(rng), tmp_path / f"net{suffix}"
    (source.save_weights if suffix == ".weights.h5" else source.save)(path)
    model = residual()
    report = load_weights(model, path)
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(report.matched) == len(model.weights) and not report.unused and not report.missing


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_other_names_are_matched_by_the_graph(tmp_path: Path, suffix: str, rng: np.random.Generator) -> None:
    """The branches side by side have equal shapes; epsilon differs too."""
    source, path, x = residual(rng, "old_", epsilon=1e-2), tmp_path / f"net{suffix}", images(rng)
    source.save(path)
    model = residual()
    load_weights(model, path)
    np.testing.assert_allclose(model(x, training=False), source(x, training=False), rtol=1e-4)


def test_other_names_without_a_graph(tmp_path: Path, rng: np.random.Generator) -> None:
    source = residual(rng, "old_")
    write_keras_2_weights(tmp_path / "net.h5", source)
    with pytest.raises(
        ValueError, match=r"block0_(dw|sc)_bn: .* does not come after it; only names could tell"
    ):
        load_weights(residual(), tmp_path / "net.h5")


def write_keras_2_weights(
    path: Path, model: Any, extra: dict[str, np.ndarray] | None = None, whole: bool = False
) -> None:
    """As Keras 2 writes ``save_weights("x.h5")``, or ``save("x.h5")`` of a model with a head on top."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        layers = {layer.name: {} for layer in model.layers}
        for layer in model.layers:
            for weight in layer.weights:
                role = weight.name.split("/")[-1].split(":")[0]
                role = "depthwise_kernel" if "_dw" in layer.name and role == "kernel" else role
                layers[layer.name][f"{layer.name}/{role}:0"] = np.asarray(weight)
        if extra:
            layers["arcface"] = extra
        for name, weights in layers.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, value in weights.items():
                group[weight] = value
        root.attrs["layer_names"] = [name.encode() for name in layers]
        if whole:
            config, last = json.loads(model.to_json()), model.layers[-1].name
            config["config"]["layers"].append(
                {
                    "class_name": "NormDense",
                    "config": {"name": "arcface", "units": 10},
                    "name": "arcface",
                    "inbound_nodes": [[[last, 0, 0, {}]]],
                }
            )
            file.attrs["model_config"] = json.dumps(config)


@pytest.mark.parametrize("prefix", ["", "old_"])
def test_whole_model_with_a_head(tmp_path: Path, prefix: str, rng: np.random.Generator) -> None:
    """As Keras_insightface writes it; nothing of the file is run, so that nobody needs its NormDense."""
    source = residual(rng, prefix)
    head = {"arcface/norm_dense_w:0": rng.normal(size=(6, 10)).astype("float32")}
    write_keras_2_weights(tmp_path / "net.h5", source, head, whole=True)
    model = residual()
    report = load_weights(model, tmp_path / "net.h5")
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert report.unused == ("arcface/norm_dense_w",)
    frame = report.to_frame()
    assert frame.status.value_counts().to_dict() == {"matched": len(model.weights), "unused": 1}
    assert str(report) == f"net.h5: {len(model.weights)} tensors matched, 1 not used (arcface/norm_dense_w)"


@pytest.mark.parametrize("keras_3", [False, True])
def test_numbered_files(tmp_path: Path, keras_3: bool, rng: np.random.Generator) -> None:
    """``.weights.h5``: layers are called by class and number; Keras 3 also writes their names."""
    source = residual(rng)
    counts: dict[str, int] = {}
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        for layer in source.layers:
            stem = {
                "Conv2D": "conv2d",
                "DepthwiseConv2D": "depthwise_conv2d",
                "BatchNormalization": "batch_normalization",
                "ChannelPReLU": "channel_p_re_lu",
                "Dense": "dense",
            }.get(type(layer).__name__)
            if stem is None:
                continue
            counts[stem] = counts.get(stem, -1) + 1
            name = f"{stem}_{counts[stem]}" if counts[stem] else stem
            group = file.create_group(f"layers/{name}/vars")
            if keras_3:
                group.attrs["name"] = layer.name
            for number, weight in enumerate(layer.weights):
                group[str(number)] = np.asarray(weight)
    model = residual()
    load_weights(model, tmp_path / "net.weights.h5")
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_layers_inside_of_layers(tmp_path: Path, rng: np.random.Generator) -> None:
    """Attention has dense layers of one shape, which only their names tell apart."""

    def attention() -> Any:
        inputs = keras.Input((5, 4), name="tokens")
        x = keras.layers.MultiHeadAttention(2, 2, name="attention")(inputs, inputs)
        return keras.Model(inputs, keras.layers.Dense(3, name="out")(x))

    source, model = attention(), attention()
    for variable in source.weights:
        variable.assign(rng.normal(size=variable.shape))
    source.save(tmp_path / "net.keras")
    source.save_weights(tmp_path / "net.weights.h5")
    for name in ("net.keras", "net.weights.h5"):
        for variable in model.weights:
            variable.assign(np.zeros(variable.shape))
        load_weights(model, tmp_path / name)
        for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_wrong_files(tmp_path: Path, rng: np.random.Generator) -> None:
    other = keras.Input((SIZE, SIZE, 3), name="image")
    x = keras.layers.Conv2D(5, 3, padding="same", use_bias=False, name="block0_conv")(other)
    keras.Model(other, x).save(tmp_path / "net.keras")
    with pytest.raises(
        ValueError, match=r"net.keras: block0_conv: expected conv \[3, 3, 3, 4\], found conv \[3, 3, 3, 5\]"
    ):
        load_weights(residual(), tmp_path / "net.keras")
    for name in ("no.keras", "no.h5"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(ValueError, match=rf"{name}: expected a file of Keras"):
            load_weights(residual(), tmp_path / name)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
        pass
    with pytest.raises(ValueError, match=r"empty.keras: expected a file of Keras"):
        load_weights(residual(), tmp_path / "empty.keras")


def test_saved_models_are_embedders(tmp_path: Path, rng: np.random.Generator) -> None:
    model = residual(rng)
    preprocessing = Preprocessing((SIZE, SIZE), 1 / 128, 127.5, "RGB")
    save(model, tmp_path / "new" / "net.keras", preprocessing)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["net.json", "net.keras"]
    pixels = np.stack([face(identity, 0, SIZE) for identity in range(3)])
    embeddings = load_embedder(tmp_path / "new" / "net.keras")(pixels)
    np.testing.assert_allclose(embeddings, model(preprocessing.apply(pixels), training=False), rtol=1e-5)
    with pytest.raises(ValueError, match=r"net.h5: expected the suffix .keras$"):
        save(model, tmp_path / "net.h5", preprocessing)
    with pytest.raises(
        ValueError, match=r"net.keras: expected preprocessing for 16x16 pixels, got \(112, 112\)$"
    ):
        save(model, tmp_path / "net.keras", Preprocessing((112, 112), 1.0, 0.0, "RGB"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, r"^model: expected a Keras model, got 3$"),
        ({"path": None}, r"^path: expected a path, got None$"),
        ({"preprocessing": None}, r"^preprocessing: expected a Preprocessing, got None$"),
    ],
)
def test_save_refuses(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    right = {"model": residual(), "path": tmp_path / "net.keras"}
    right["preprocessing"] = Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB")
    with pytest.raises(ValueError, match=message):
        save(**{**right, **arguments})


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_another_length_of_the_embedding(suffix: str, tmp_path: Path) -> None:
    """Every format names the layer, what was expected and what was found."""
    settings: dict[str, Any] = {"input_shape": (32, 32, 3)}
    create("se_mobilefacenet", embedding_dim=32, **settings).save(tmp_path / f"net{suffix}")
    expected = r"head_dense: expected conv \[1, 1, 128, 64\], found conv \[1, 1, 128, 32\]"
    with pytest.raises(ValueError, match=expected):
        create("se_mobilefacenet", embedding_dim=64, **settings, weights=tmp_path / f"net{suffix}")


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, preprocessing = residual(), Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB")
    save(model, tmp_path / "net.keras", preprocessing)
    before = (tmp_path / "net.keras").read_bytes()

    def fail(path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save(model, tmp_path / "net.keras", preprocessing)
    assert (tmp_path / "net.keras").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.keras"]


def test_a_killed_save_leaves_a_model_with_its_own_preprocessing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each of the three renames; a sidecar that another model needs is refused before the work."""
    model, path, rename = residual(), tmp_path / "net.keras", Path.replace
    old, new = (Preprocessing((SIZE, SIZE), scale, 0.0, "RGB") for scale in (1.0, 0.5))
    for renamed in range(3):
        save(model, path, old)
        before, left = path.read_bytes(), [None] * renamed

        def killed(source: Path, target: Path, left: list[None] = left) -> Path:
            if not left:
                raise KeyboardInterrupt
            left.pop()
            return rename(source, target)

        monkeypatch.setattr(Path, "replace", killed)
        model.weights[0].assign(model.weights[0] + 1.0)
        with pytest.raises(KeyboardInterrupt):
            save(model, path, new)
        monkeypatch.undo()
        is_old = path.read_bytes() == before
        assert is_old == (renamed < 2) and Preprocessing.beside(path) == (old if is_old else new)
    save(model, path, new)
    (tmp_path / "net.onnx").touch()
    with pytest.raises(ValueError, match=r"net\.json: is the sidecar of net\.onnx, too"):
        save(model, path, old)
    assert Preprocessing.beside(path) == new


def test_tflite_as_a_teacher(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = shared_data / "models" / "MobileFaceNet.tflite"
    teacher = load_embedder(path, Preprocessing((112, 112), 1 / 128, 127.5, "RGB"))
    import cv2

    folder = sorted((shared_data / "lfw" / "aligned112").glob("*"))
    same = [files for files in (sorted(person.glob("*.jpg"))[:2] for person in folder) if len(files) == 2][:8]
    pixels = np.stack([cv2.imread(str(file))[:, :, ::-1] for files in same for file in files])
    rows = teacher(pixels)
    assert rows.shape == (16, 192)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows[0::2] @ rows[1::2].T
    assert np.mean(np.diag(cosines)) > np.mean(cosines) + 0.3


def test_create_takes_weights(tmp_path: Path) -> None:
    source = create("r18", embedding_dim=8, input_shape=(32, 32, 3))
    source.save(tmp_path / "net.keras")
    again = create("r18", embedding_dim=8, input_shape=(32, 32, 3), weights=tmp_path / "net.keras")
    for ours, theirs in zip(again.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
