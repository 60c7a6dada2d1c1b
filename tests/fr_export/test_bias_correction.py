"""Biases of int8 files: channels get the float network's means, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from fr_eval import InputError
from fr_eval.embedders import Preprocessing, load_embedder
from fr_export import representative_images, to_tflite
from fr_export._bias_correction import bias_corrected
from tensorflow import keras
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from tests.fr_export.networks import PREPROCESSING, cosines, faces, small
from tests.fr_export.test_equalise import float_file, run


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return faces(24)


def int8_file(network: Any, inputs: np.ndarray) -> bytes:
    images = keras.Input(batch_shape=(1, *network.input_shape[1:]))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(images, network(images)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in inputs)
    return bytes(converter.convert())


def with_biases_off(content: bytes, codes: int) -> bytes:
    """Add a number to all biases of linear layers without an activation of their own."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    for operator in graph.operators:
        activation = getattr(operator.builtinOptions, "fusedActivationFunction", None)
        if activation == schema.ActivationFunctionType.NONE and len(operator.inputs) == 3:
            tensor = graph.tensors[operator.inputs[2]]
            buffer = schema.BufferT()
            old = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int32)
            buffer.data = np.frombuffer((old + codes).astype(np.int32).tobytes(), np.uint8)
            tensor.buffer = len(model.buffers)
            model.buffers.append(buffer)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def constants(content: bytes) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=content)
    return [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if np.dtype(tensor["dtype"]) == np.int8 and tensor["name"] and _is_constant(interpreter, tensor)
    ]


def _is_constant(interpreter: Any, tensor: dict[str, Any]) -> bool:
    try:
        interpreter.get_tensor(tensor["index"])
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("activation", ["prelu", "relu6"])
def test_biases_that_are_off_are_put_back(crops: np.ndarray, activation: str) -> None:
    network, inputs = small(activation), PREPROCESSING.apply(crops)
    wanted, content = float_file(network), int8_file(network, inputs)
    images = [image[None] for image in inputs]
    off = with_biases_off(content, 3000)
    corrected = bias_corrected(off, wanted, images)
    rows = {name: run(file, inputs) for name, file in (("float", wanted), ("off", off), ("back", corrected))}
    step = np.ptp(rows["float"]) / 255
    gaps = {
        name: np.abs(rows[name].mean(axis=0) - rows["float"].mean(axis=0)).max() for name in ("off", "back")
    }
    assert gaps["off"] > 5 * step > 5 * gaps["back"]
    before, after = constants(off), constants(corrected)
    assert len(before) > 3 and all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_means_of_embeddings(tmp_path: Path, crops: np.ndarray, io: str) -> None:
    """Of images that it was not corrected on; sizes stay."""
    network, others = small("prelu"), faces(40, first=60)
    wanted = np.asarray(network(PREPROCESSING.apply(others), training=False))
    found = {}
    for name, is_corrected in (("plain", False), ("corrected", True)):
        path = tmp_path / f"{name}.tflite"
        exported = to_tflite(network, path, "int8", PREPROCESSING, crops, io, bias_correction=is_corrected)
        found[name] = (load_embedder(path)(others), exported.size_bytes)
    gaps = [np.linalg.norm(found[name][0].mean(axis=0) - wanted.mean(axis=0)) for name in found]
    assert gaps[1] < 0.7 * gaps[0]
    assert found["corrected"][1] == pytest.approx(found["plain"][1], rel=0.02)
    assert cosines(found["corrected"][0], wanted).mean() > cosines(found["plain"][0], wanted).mean()


def test_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bias_correction: is of int8 files only, got float16"):
        to_tflite(small(), tmp_path / "net.tflite", "float16", PREPROCESSING, bias_correction=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_trained_weights(tmp_path: Path, shared_data: Path) -> None:
    """On real crops that it was not corrected on, embeddings come closer to the source's."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    import fr_models

    network = fr_models.from_onnx(shared_data / "models" / "fr_feature_512.onnx")
    told, lfw = Preprocessing((112, 112), 1 / 128, 127.0, "RGB"), shared_data / "lfw" / "aligned112"
    calibration = representative_images(lfw, (112, 112), count=40)
    images = representative_images(lfw, (112, 112), count=60, seed=5)
    wanted = np.asarray(network(told.apply(images), training=False))
    means = []
    for is_corrected in (False, True):
        path = tmp_path / "net.tflite"
        to_tflite(network, path, "int8", told, calibration, bias_correction=is_corrected)
        means.append(cosines(load_embedder(path)(images), wanted).mean())
    assert means[1] > means[0] > 0.98
