"""What all exports refuse of their source, whatever they write."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from fr_eval import InputError
from tensorflow import keras

from tests.fr_export.networks import PREPROCESSING, SIZE


@pytest.mark.parametrize(
    ("weight", "what"), [(0.0, "of zeros; has the model been"), (float("nan"), "that are")]
)
@pytest.mark.parametrize(
    ("module", "path"),
    [("keras", "net.keras"), ("onnx", "net.onnx"), ("saved_model", "net"), ("tflite", "net.tflite")],
)
def test_dead_sources_are_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, path: str, weight: float, what: str
) -> None:
    if module == "onnx":
        pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    exporter = import_module(f"fr_export.{module}")
    images = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    dead = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(weight))(pooled)
    monkeypatch.delattr("fr_export.exported.written_with_sidecar")
    export = getattr(exporter, f"to_{module}")
    with pytest.raises(InputError, match=f"{path}: the model gives embeddings {what}"):
        export(keras.Model(images, dead), tmp_path / path, preprocessing=PREPROCESSING)
    assert not list(tmp_path.iterdir())
