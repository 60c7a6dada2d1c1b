"""Registered models to every kind: each runs, sizes are the published ones, trained weights keep identity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fr_models
import numpy as np
import pytest
from fr_eval import kfold_accuracy
from fr_eval.embedders import Preprocessing, load_embedder
from fr_eval.images import read_image
from fr_eval.protocols import read_pairs
from fr_export import KINDS, representative_images, to_onnx, to_saved_model, to_tflite, wrap
from fr_export._source import open_source
from tensorflow import keras

from tests.fr_export.networks import cosines, faces, preprocessing_of, settled

MODELS = ("mobilefacenet", "mobilenetv2", "r18", "ghostnet", "efficientnetb0")
# Of Keras_insightface's tables, float16, 512 dimensions, GDC.
PUBLISHED_MB = {
    "mobilefacenet": 1.843,
    "mobilenetv2": 5.83,
    "mobilenet": 7.49,
    "ghostnet": 8.17,
    "efficientnetb0": 9.40,
}


def created(name: str) -> Any:
    keras.utils.set_random_seed(8)
    return settled(fr_models.create(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_model_to_every_kind(tmp_path: Path, name: str) -> None:
    """Random weights, which magnify rounding: only the exact formats are held to a cosine."""
    network, told, crops = created(name), preprocessing_of(112), faces(8, 112)
    untrained = replace(open_source(network, told), trained=False)
    for kind in KINDS:
        exported = to_tflite(untrained, tmp_path / f"{kind}.tflite", kind, representative=crops)
        assert load_embedder(exported.path)(crops[:2]).shape == (2, 512)
        if kind == "float32":
            assert exported.min_cosine > 0.99999
        if kind == "float16" and name in PUBLISHED_MB:
            assert exported.size_bytes / 1e6 == pytest.approx(PUBLISHED_MB[name], rel=0.05)
    to_tflite(untrained, tmp_path / "mixed.tflite", "int8", representative=crops, float_head=True)
    assert to_saved_model(network, tmp_path / "served", told, crops).min_cosine > 0.99999
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    assert to_onnx(network, tmp_path / "net.onnx", preprocessing=told, images=crops).min_cosine > 0.99999


@pytest.mark.slow
def test_published_size_of_mobilenet(tmp_path: Path) -> None:
    exported = to_tflite(created("mobilenet"), tmp_path / "net.tflite", "float16", preprocessing_of(112))
    assert exported.size_bytes / 1e6 == pytest.approx(PUBLISHED_MB["mobilenet"], rel=0.05)


@pytest.fixture(scope="module")
def trained(shared_data: Path) -> Any:
    pytest.importorskip("onnx", reason="onnx is not installed")
    return fr_models.from_onnx(shared_data / "models" / "fr_feature_512.onnx")


TOLD = Preprocessing((112, 112), 1 / 128, 127.0, "RGB")


def mean_cosine(trained: Any, lfw: Path, path: Path, kind: str, float_head: bool = False) -> float:
    """To the source, on real crops of another draw than those of calibration."""
    calibration = representative_images(lfw, (112, 112), count=40)
    images = representative_images(lfw, (112, 112), count=60, seed=5)
    to_tflite(trained, path, kind, TOLD, calibration, float_head=float_head)
    wanted = np.asarray(trained(TOLD.apply(images), training=False))
    return float(cosines(load_embedder(path)(images), wanted).mean())


@pytest.fixture(scope="module")
def int8_mean(trained: Any, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    path = tmp_path_factory.mktemp("int8") / "net.tflite"
    return mean_cosine(trained, shared_data / "lfw" / "aligned112", path, "int8")


def test_int8_of_trained_weights(int8_mean: float) -> None:
    """Without equalisation it is 0.976."""
    assert int8_mean > 0.98


def test_float_head_of_trained_weights(
    tmp_path: Path, trained: Any, shared_data: Path, int8_mean: float
) -> None:
    lfw = shared_data / "lfw" / "aligned112"
    assert mean_cosine(trained, lfw, tmp_path / "net.tflite", "int8", float_head=True) > int8_mean


@pytest.mark.parametrize(("kind", "colour"), [("int8", "BGR"), ("int16x8", "RGB")])
def test_wrapped_trained_weights(
    tmp_path: Path, trained: Any, shared_data: Path, kind: str, colour: str
) -> None:
    """It was 0.86 of swapped colours, and -0.996 of 16 bits; lengths were 0.7 to 1.5."""
    lfw, path = shared_data / "lfw" / "aligned112", tmp_path / "net.tflite"
    calibration = representative_images(lfw, (112, 112), count=12)
    images = representative_images(lfw, (112, 112), count=20, seed=5)
    to_tflite(wrap(trained, TOLD, colour=colour), path, kind, representative=calibration)
    rows = load_embedder(path)(images)
    assert cosines(rows, np.asarray(trained(TOLD.apply(images), training=False))).mean() > 0.98
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least_mean"), [("float16", 0.9999), ("dynamic", 0.99), ("int16x8", 0.99)])
def test_trained_weights(
    tmp_path: Path, trained: Any, shared_data: Path, kind: str, least_mean: float
) -> None:
    lfw = shared_data / "lfw" / "aligned112"
    assert mean_cosine(trained, lfw, tmp_path / "net.tflite", kind) > least_mean


@pytest.mark.slow
def test_int8_keeps_identity(tmp_path: Path, trained: Any, shared_data: Path) -> None:
    """Three folds of LFW in ten: half a point of accuracy is nine of their 1,800 pairs."""
    pairs, lfw = read_pairs(shared_data / "lfw" / "pairs.txt"), shared_data / "lfw" / "aligned112"
    part = slice(0, 1800)
    names = sorted({*pairs.first[part], *pairs.second[part]})
    images = np.stack([read_image(lfw / name) for name in names])
    exported = to_tflite(
        trained, tmp_path / "net.tflite", "int8", TOLD, representative_images(lfw, (112, 112), count=100)
    )
    accuracy = {}
    for kind, rows in (
        ("source", np.asarray(trained.predict(TOLD.apply(images), verbose=0))),
        ("int8", load_embedder(exported.path)(images)),
    ):
        unit = dict(zip(names, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))
        scores = [unit[a] @ unit[b] for a, b in zip(pairs.first[part], pairs.second[part], strict=True)]
        accuracy[kind] = kfold_accuracy(scores, pairs.is_same[part], np.arange(1800) % 10).accuracy.mean
    assert accuracy["source"] > 0.97
    assert accuracy["int8"] > accuracy["source"] - 0.005
