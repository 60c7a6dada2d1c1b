"""Equalisation changes nothing in float, and makes ranges alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from fr_export._equalise import equalised
from tensorflow import keras

from tests.fr_export.networks import PREPROCESSING, faces, small


def float_file(network: Any) -> bytes:
    images = keras.Input(batch_shape=(1, *network.input_shape[1:]))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(images, network(images)))
    return bytes(converter.convert())


def run(content: bytes, inputs: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    rows = []
    for image in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(rows)


@pytest.mark.parametrize("activation", ["relu", "relu6", "prelu"])
def test_the_numbers_stay(activation: str) -> None:
    """ReLU6 does not pass factors on: there the dense layers of the gate are equalised alone."""
    content, inputs = float_file(small(activation)), PREPROCESSING.apply(faces(12))
    changed = equalised(content, [image[None] for image in inputs[:6]])
    assert changed != content
    before, after = run(content, inputs), run(changed, inputs)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4 * np.abs(before).max())


def test_ranges_become_alike() -> None:
    """Channels 300 times as large as others, before a depthwise convolution: afterwards as sqrt(300)."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(images)
    x = keras.layers.DepthwiseConv2D(3, name="second")(x)
    network = keras.Model(images, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    first = network.get_layer("first")
    kernel, bias = first.get_weights()
    spread = np.geomspace(1, 300, 8).astype(np.float32)
    first.set_weights([np.abs(kernel) * spread, bias])
    inputs = np.abs(PREPROCESSING.apply(faces(6)))
    changed = equalised(float_file(network), [image[None] for image in inputs])
    interpreter = Interpreter(model_content=changed)
    kernels = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if list(tensor["shape"]) == [8, 3, 3, 3]
    ]
    assert len(kernels) == 1, "biases of zeros are one constant of both layers, and become two"
    largest = np.abs(kernels[0]).max(axis=(1, 2, 3))
    before = (np.abs(kernel) * spread).max(axis=(0, 1, 2))
    assert before.max() / before.min() > 100
    assert largest.max() / largest.min() < 1.5 * np.sqrt(before.max() / before.min())
