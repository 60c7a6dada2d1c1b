"""Networks as embedders: layouts, batch sizes, preprocessing that is never guessed."""

from __future__ import annotations

import gc
import json
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError, MissingExtraError
from fr_eval.embedders import Preprocessing, load_embedder

from tests.fr_eval.faces import PREPROCESSING, SIZE, face, write_onnx

IMAGES = np.stack([face(identity, 0) for identity in range(5)])


def expected(images: np.ndarray, offset: float, scale: float) -> np.ndarray:
    block = SIZE // 4
    planes = ((images.astype(np.float64) - offset) * scale).transpose(0, 3, 1, 2)
    return planes.reshape(len(images), 3, 4, block, 4, block).mean(axis=(3, 5)).reshape(len(images), -1)


@pytest.mark.parametrize("batch", ["batch", 1, 2, 8])
@pytest.mark.parametrize("channels_first", [True, False])
def test_onnx(tmp_path: Path, batch: int | str, channels_first: bool) -> None:
    write_onnx(tmp_path / "net.onnx", batch, channels_first)
    embeddings = load_embedder(tmp_path / "net.onnx")(IMAGES)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected(IMAGES, 127.5, 0.0078125), atol=1e-5)


def test_explicit_preprocessing_wins(tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx")
    embedder = load_embedder(tmp_path / "net.onnx", Preprocessing((SIZE, SIZE), 0.5, 3.0, "BGR"))
    np.testing.assert_allclose(embedder(IMAGES), expected(IMAGES[..., ::-1], 3, 0.5), atol=1e-4)


def test_preprocessing_is_never_guessed(tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx")
    (tmp_path / "net.json").unlink()
    with pytest.raises(
        InputError, match=r"net.onnx: its preprocessing is unknown: write net.json beside it$"
    ):
        load_embedder(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"colour": "GBR"}, "colour 'GBR', expected RGB or BGR"),
        ({"scale": 0}, "scale 0.0, expected a finite number other than 0"),
        ({"scale": float("nan")}, "scale nan, expected a finite number other than 0"),
        ({"offset": float("-inf")}, "offset -inf, expected a finite number"),
        ({"size": [112, -1]}, r"size \(112, -1\), expected height and width"),
        ({"scale": "a"}, "expected size"),
        ({"size": [112]}, "expected size"),
        ({"size": [0, 112]}, r"size \(0, 112\), expected height and width"),
        ({"mean": 3}, "expected the fields size, scale, offset, colour, got"),
        ({"codes": {"scale": 0.5}}, r"codes: expected the fields scale, zero_point, got \{.scale.: 0.5\}"),
        (
            {"codes": {"scale": 0.5, "zero_point": 0.5}},
            "codes: expected a number scale and an integer zero_point, got 0.5 and 0.5",
        ),
        ({"codes": {"scale": 0, "zero_point": 1}}, "codes: scale 0.0"),
        ({"flip_sum": 1}, "flip_sum: expected true or false, got 1"),
    ],
)
def test_bad_sidecars(tmp_path: Path, fields: dict[str, object], message: str) -> None:
    write_onnx(tmp_path / "net.onnx")
    (tmp_path / "net.json").write_text(json.dumps({**PREPROCESSING, **fields}))
    with pytest.raises(InputError, match=rf"^{tmp_path}/net.json: {message}"):
        load_embedder(tmp_path / "net.onnx")
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(InputError, match=r"net.json: not JSON"):
        load_embedder(tmp_path / "net.onnx")


def test_sidecars_tell_of_mirror_images() -> None:
    plain = Preprocessing.from_fields(PREPROCESSING, "plain")
    told = Preprocessing.from_fields({**PREPROCESSING, "flip_sum": True}, "told")
    assert (plain.flip_sum, told.flip_sum) == (False, True)
    assert plain.to_fields() == PREPROCESSING and told.to_fields() == {**PREPROCESSING, "flip_sum": True}


def test_another_input_size(tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx", size=64)
    with pytest.raises(InputError, match=r"input has shape .*64, 64.* the preprocessing says 32x32 pixels"):
        load_embedder(tmp_path / "net.onnx", Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB"))
    with pytest.raises(InputError, match="image: 32x32 pixels, the model wants 64x64"):
        load_embedder(tmp_path / "net.onnx")(IMAGES)


def test_bad_models(tmp_path: Path) -> None:
    fields = Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB")
    for suffix, runtime in ((".onnx", "onnxruntime"), (".tflite", "LiteRT")):
        path = tmp_path / f"net{suffix}"
        path.write_bytes(b"nonsense")
        with pytest.raises(InputError, match=f"{runtime} cannot load it"):
            load_embedder(path, fields)
    with pytest.raises(InputError, match="no such file"):
        load_embedder(tmp_path / "other.onnx", fields)
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"a .onnx, .tflite or .keras file, or the folder of a SavedModel"):
        load_embedder(tmp_path / "net.h5", fields)


@pytest.mark.parametrize(
    ("suffix", "module", "extra"),
    [
        (".onnx", "onnxruntime", "onnx"),
        (".tflite", "ai_edge_litert.interpreter", "litert"),
        (".keras", "tensorflow", "keras"),
        ("", "tensorflow", "keras"),
    ],
)
def test_missing_runtimes_name_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str, extra: str
) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "saved_model.pb").touch()
    path = tmp_path / f"net{suffix}"
    if suffix:
        path.write_bytes(b"\x89HDF")  # the start of an old Keras file, which TensorFlow alone can judge
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"python -m pip install 'fr-eval\[{extra}\]'"):
        load_embedder(path, Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB"))


def test_tflite_of_a_fixed_batch(shared_data: Path) -> None:
    """The batch of this network is fixed at 2: five images must come out as one by one."""
    model = shared_data / "models" / "MobileFaceNet.tflite"
    embedder = load_embedder(model, Preprocessing((112, 112), 1 / 128, 127.5, "RGB"))
    images = np.stack([face(identity, 0, 112) for identity in range(5)])
    together = embedder(images)
    assert together.shape == (5, 192)
    for image, embedding in zip(images, together, strict=True):
        np.testing.assert_allclose(embedder(image[None])[0], embedding, atol=1e-5)


@pytest.mark.slow
def test_keras(tmp_path: Path) -> None:
    keras = pytest.importorskip("tensorflow", reason="TensorFlow is not installed").keras
    image = keras.Input((SIZE, SIZE, 3))
    grid = keras.layers.AveragePooling2D(SIZE // 4)(image)
    planes = keras.layers.Permute((3, 1, 2))(grid)
    network = keras.Model(image, keras.layers.Flatten()(planes))
    network.save(tmp_path / "net.keras")
    (tmp_path / "net.json").write_text(json.dumps(PREPROCESSING))
    embeddings = load_embedder(tmp_path / "net.keras")(IMAGES)
    np.testing.assert_allclose(embeddings, expected(IMAGES, 127.5, 0.0078125), atol=1e-5)
    (tmp_path / "net.keras").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="Keras cannot load it"):
        load_embedder(tmp_path / "net.keras")


def write_saved_model(folder: Path, pixels: str = "float32", signature: str = "serving_default") -> None:
    """The network of `write_onnx` for channels last, as a folder that serves it."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    served = tf.Module()
    served.scale = tf.Variable(0.0078125 if pixels == "uint8" else 1.0)  # found again only if it is kept
    served.offset = tf.constant(127.5 if pixels == "uint8" else 0.0)

    def embed(crop: object) -> dict[str, object]:
        planes = (tf.cast(crop, tf.float32) - served.offset) * served.scale
        grid = tf.nn.avg_pool2d(planes, SIZE // 4, SIZE // 4, "VALID")
        return {"rows": tf.reshape(tf.transpose(grid, [0, 3, 1, 2]), [-1, 48])}

    served.embed = tf.function(embed, input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), pixels, "crop")])
    tf.saved_model.save(served, str(folder), signatures={signature: served.embed})


@pytest.mark.slow
@pytest.mark.parametrize("pixels", ["float32", "uint8"])
def test_saved_model(tmp_path: Path, pixels: str) -> None:
    """The folder's whole name is its sidecar's, dots and all."""
    folder = tmp_path / "net_0.5"
    write_saved_model(folder, pixels)
    told = PREPROCESSING if pixels == "float32" else {**PREPROCESSING, "scale": 1, "offset": 0}
    (tmp_path / "net_0.5.json").write_text(json.dumps(told))
    gc.collect()
    embedder = load_embedder(folder)
    np.testing.assert_allclose(embedder(IMAGES), expected(IMAGES, 127.5, 0.0078125), atol=1e-5)
    assert embedder(IMAGES[:1]).shape == (1, 48)


@pytest.mark.slow
def test_bad_saved_models(tmp_path: Path) -> None:
    fields = Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB")
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="photos: is no SavedModel"):
        load_embedder(tmp_path / "photos", fields)
    write_saved_model(tmp_path / "named", signature="embed")
    with pytest.raises(InputError, match="named: expected the signature serving_default, got embed"):
        load_embedder(tmp_path / "named", fields)
    write_saved_model(tmp_path / "net")
    with pytest.raises(InputError, match="the preprocessing says 64x64 pixels"):
        load_embedder(tmp_path / "net", Preprocessing((64, 64), 1.0, 0.0, "RGB"))
    for path in (tmp_path / "net" / "variables").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="net: TensorFlow cannot load it"):
        load_embedder(tmp_path / "net", fields)
    (tmp_path / "net" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="net: TensorFlow cannot load it"):
        load_embedder(tmp_path / "net", fields)


KERAS_3 = {"class_name": "Functional", "config": {"name": "net", "layers": [{"unknown": "x" * 6000}]}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"junk" * 99, "it is cut short, or no .keras file"),
        ({}, "it does not tell the version of Keras"),
        ({"metadata.json": "[]"}, "it does not tell the version of Keras"),
        (
            {"metadata.json": '{"keras_version": "1.5.0"}', "config.json": json.dumps(KERAS_3)},
            "it was saved by Keras 1.5.0, this is Keras ",
        ),
    ],
)
def test_bad_keras_files(tmp_path: Path, content: bytes | dict[str, str], message: str) -> None:
    """One line of a terminal's size, which says what the file is."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    path = tmp_path / "net.keras"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    with pytest.raises(InputError) as error:
        load_embedder(path, Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB"))
    assert str(error.value).startswith(f"{path}: Keras cannot load it: {message}")


def test_keras_files_that_are_damaged_or_unknown(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    preprocessing, path = Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB"), tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version("keras")}))
        archive.writestr("config.json", json.dumps(KERAS_3))
    with pytest.raises(InputError, match=r"net.keras: Keras cannot load it: ") as error:
        load_embedder(path, preprocessing)
    assert len(str(error.value)) < 400 + len(str(path))
    content = bytearray(path.read_bytes())
    content[content.index(b"xxxx")] = 0
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"config.json in it is damaged"):
        load_embedder(path, preprocessing)
