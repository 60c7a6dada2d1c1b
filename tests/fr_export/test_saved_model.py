"""SavedModels: served by signature, replaced whole, other folders left alone."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fr_eval import InputError
from fr_eval.embedders import Preprocessing
from fr_export import to_saved_model, wrap

from tests.fr_export.networks import PREPROCESSING, faces, small


def served(folder: Path, inputs: np.ndarray) -> np.ndarray:
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return np.asarray(serve(image=tf.constant(inputs))["embedding"])


def test_served(tmp_path: Path) -> None:
    network, folder, images = small(), tmp_path / "net", faces(5)
    assert to_saved_model(network, folder, PREPROCESSING).min_cosine > 0.99999
    inputs = PREPROCESSING.apply(images)
    np.testing.assert_allclose(served(folder, inputs), network(inputs, training=False), rtol=1e-4, atol=1e-5)
    assert Preprocessing.beside(folder) == PREPROCESSING
    wrapped = wrap(network, PREPROCESSING, uint8_input=True)
    to_saved_model(wrapped, folder)
    np.testing.assert_allclose(served(folder, images), wrapped(images), rtol=1e-4, atol=1e-5)
    assert Preprocessing.beside(folder) == Preprocessing((32, 32), 1.0, 0.0, "RGB")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net", "net.json"]


def test_every_variable_once(tmp_path: Path) -> None:
    """Keras 3's own export writes each of them twice."""
    network = small()
    to_saved_model(network, tmp_path / "net", PREPROCESSING)
    saved = tf.train.load_checkpoint(str(tmp_path / "net" / "variables" / "variables"))
    shapes = [shape for name, shape in saved.get_variable_to_shape_map().items() if "VARIABLE_VALUE" in name]
    assert sorted(shapes) == sorted(list(variable.shape) for variable in network.variables)


def test_other_folders_stay(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="photos: is there, and no SavedModel that could be replaced"):
        to_saved_model(small(), tmp_path / "photos", PREPROCESSING)
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"x"


def test_refusals(tmp_path: Path) -> None:
    network = small()
    with pytest.raises(InputError, match=r"net.onnx: expected a folder to write, with another suffix"):
        to_saved_model(network, tmp_path / "net.onnx", PREPROCESSING)
    with pytest.raises(InputError, match=r"images: expected uint8 images"):
        to_saved_model(network, tmp_path / "net", PREPROCESSING, np.zeros((0, 32, 32, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow says it in words of its own; what it had written is removed."""

    def full(module: object, folder: str, **_: object) -> None:
        Path(folder).mkdir()
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, f"{folder}/variables; No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        to_saved_model(small(), tmp_path / "net", PREPROCESSING)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "net"))
    assert not list(tmp_path.iterdir())
