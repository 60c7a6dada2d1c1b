"""Ends in float: what of a file they change, and that they compute what the network's own layers do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from fr_eval import InputError
from fr_eval.embedders import Preprocessing, load_embedder
from fr_export import to_tflite, wrap
from fr_export.bench import kind_of
from tensorflow import keras

from tests.fr_export.networks import PREPROCESSING, SIZE, cosines, faces, small

L = keras.layers


def interpreter(path: Path) -> Any:
    """Every tensor as TFLite's own operations leave it."""
    made = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    made.allocate_tensors()
    return made


def tensor_types(path: Path) -> dict[int, str]:
    details = interpreter(path).get_tensor_details()
    return {tensor["index"]: np.dtype(tensor["dtype"]).name for tensor in details}


def operators(path: Path) -> list[tuple[str, str]]:
    """Name of each operator, and the type that it gives."""
    types = tensor_types(path)
    return [(each["op_name"], types[each["outputs"][0]]) for each in interpreter(path)._get_ops_details()]


@pytest.mark.parametrize(("kind", "integer"), [("int8", "int8"), ("int16x8", "int16")])
def test_only_the_head_is_in_float(tmp_path: Path, kind: str, integer: str) -> None:
    network, crops = small("relu6"), faces(16)
    plain, mixed = (
        to_tflite(network, tmp_path / f"{is_float}.tflite", kind, PREPROCESSING, crops, float_head=is_float)
        for is_float in (False, True)
    )
    body = operators(plain.path)[:-3]
    head = [("RESHAPE", integer), ("FULLY_CONNECTED", integer), ("DEQUANTIZE", "float32")]
    assert operators(plain.path) == [*body, *head]
    # The feature map becomes float before its reshape, and so do weights of 16 bits before their layer.
    head = [(name, "float32") for name in ("DEQUANTIZE", "RESHAPE", "DEQUANTIZE", "FULLY_CONNECTED")]
    assert operators(mixed.path) == [*body, *head]
    assert sum(given == integer for _, given in body) >= 8
    before, after = (Counter(tensor_types(each.path).values()) for each in (plain, mixed))
    assert (before["float16"], after["float16"]) == (0, 1)
    assert before["int8"] > after["int8"] > 0
    weights = int(np.prod(network.layers[-2].kernel.shape))
    assert mixed.size_bytes == pytest.approx(plain.size_bytes + weights, rel=0.02)
    assert (mixed.kind, kind_of(mixed.path)) == (kind, kind)


@pytest.mark.parametrize("kind", ["int8", "int16x8"])
def test_the_head_by_the_layers_of_the_network(tmp_path: Path, kind: str) -> None:
    """From the feature map that the file gives: nothing is rounded but the weights, to 11 bits."""
    network = small("prelu")
    path = to_tflite(network, tmp_path / "net.tflite", kind, PREPROCESSING, faces(16), float_head=True).path
    loaded = interpreter(path)
    (image,), (embedding,) = loaded.get_input_details(), loaded.get_output_details()
    reshape = [each for each in loaded._get_ops_details() if each["op_name"] == "RESHAPE"][-1]
    dense, norm = network.layers[-2:]
    for pixels in PREPROCESSING.apply(faces(3, first=50)):
        loaded.set_tensor(image["index"], pixels[None])
        loaded.invoke()
        feature_map = loaded.get_tensor(reshape["inputs"][0])
        assert feature_map.dtype == np.float32 and feature_map.shape == (1, 8, 8, 32)
        wanted = np.asarray(norm(dense(feature_map.reshape(1, -1)), training=False))
        found = loaded.get_tensor(embedding["index"])
        np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("float_head", [True, False])
@pytest.mark.parametrize("kind", ["int8", "int16x8"])
def test_wrapped(tmp_path: Path, kind: str, float_head: bool) -> None:
    """Lengths are 1 to seven digits, head or tail; of 16 bits, TFLite's RSQRT turned embeddings round."""
    wrapped = wrap(small("prelu"), PREPROCESSING, uint8_input=True, flip_sum=True)
    path = tmp_path / "net.tflite"
    to_tflite(wrapped, path, kind, representative=faces(40), float_head=float_head)
    images = faces(12, first=100)
    rows = load_embedder(path)(images)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
    assert cosines(rows, np.asarray(wrapped(images))).mean() > 0.98


@pytest.mark.parametrize(("kind", "integer"), [("int8", "int8"), ("int16x8", "int16")])
def test_only_the_tail_is_in_float(tmp_path: Path, kind: str, integer: str) -> None:
    """The embedding layer stays in integers; a network that ends with it is left as it is."""
    network, crops = small("relu6"), faces(16)
    path = to_tflite(wrap(network, PREPROCESSING), tmp_path / "net.tflite", kind, representative=crops).path
    found = operators(path)
    layer = found.index(("FULLY_CONNECTED", integer), len(found) - 8)
    assert found[layer + 1] == ("DEQUANTIZE", "float32")
    assert {given for _, given in found[layer + 1 :]} == {"float32"}
    # TensorFlow 2.15's converter fuses unit length into one operation.
    assert {"RSQRT", "L2_NORMALIZATION"} & {name for name, _ in found[layer + 1 :]}


@pytest.mark.parametrize("size", [SIZE, 48])
def test_free_size(tmp_path: Path, size: int) -> None:
    """Height and width that a file leaves open are those of maps all the same."""
    keras.utils.set_random_seed(5)
    images = keras.Input((None, None, 3))
    x = L.Conv2D(32, 3, 2, "same", activation="relu")(images)
    x = L.Conv2D(64, 3, 2, "same", activation="relu")(x)
    network = keras.Model(images, L.Dense(24)(L.GlobalAveragePooling2D()(x)), name="free")
    told = Preprocessing((size, size), 1 / 128, 127.5, "RGB")
    path, crops = tmp_path / "net.tflite", faces(16, size)
    exported = to_tflite(network, path, "int8", told, crops, float_head=True)
    names = [("MEAN", "float32"), ("DEQUANTIZE", "float32"), ("FULLY_CONNECTED", "float32")]
    assert operators(path)[-3:] == names
    assert exported.mean_cosine > 0.98


@pytest.mark.parametrize("end", ["flattened", "pooled", "none"])
def test_networks_without_an_embedding_layer(tmp_path: Path, end: str) -> None:
    """The map itself is the embedding, or its mean; or there was no map."""
    images = keras.Input((SIZE, SIZE, 3))
    x = L.Conv2D(8, SIZE if end == "none" else 9, 4)(images)
    x = L.GlobalAveragePooling2D()(x) if end == "pooled" else L.Flatten()(x)
    network = keras.Model(images, x, name="bare")
    message = "float_head: model 'bare': expected an embedding layer behind the last feature map"
    with pytest.raises(InputError, match=message):
        to_tflite(network, tmp_path / "net.tflite", "int8", PREPROCESSING, faces(8), float_head=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "float16"}, "expected int8 or int16x8, other kinds compute in float, got float16"),
        ({"kind": "int8", "io": "int8"}, "its embeddings are float32, expected float in and out, got int8"),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"float_head: {message}"):
        to_tflite("none.keras", tmp_path / "net.tflite", representative=faces(4), float_head=True, **options)


def test_a_converter_that_quantises_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hook is private: where a later TensorFlow does not call it, no end would be in float."""
    converter = SimpleNamespace(target_spec=SimpleNamespace(), convert=lambda: b"file")
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", lambda folder: converter)
    with pytest.raises(InputError, match=r"^int8: TensorFlow .* quantises without a call of _quantize"):
        to_tflite(small(), tmp_path / "net.tflite", "int8", PREPROCESSING, faces(4))
    assert not list(tmp_path.iterdir())
