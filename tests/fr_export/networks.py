"""Networks to export: a small one of what mobile networks are made of, and registered ones, settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_export import _keras
from fr_export._settle import settle
from tensorflow import keras

from tests.fr_eval.faces import face

SIZE = 32
PREPROCESSING = Preprocessing((SIZE, SIZE), 1 / 128, 127.5, "RGB")
L = keras.layers


def faces(count: int, size: int = SIZE, first: int = 0) -> np.ndarray:
    return np.stack([face(identity, 0, size) for identity in range(first, first + count)])


def small(activation: str = "relu6", dim: int = 16) -> Any:
    """Convolutions, also depthwise, with BN, a residual, squeeze-and-excitation, and a dense end."""
    keras.utils.set_random_seed(3)

    def act(x: Any) -> Any:
        if activation == "prelu":
            return L.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])(x)
        if activation == "gelu":
            return L.Activation("gelu")(x)
        return L.ReLU(6.0 if activation == "relu6" else None)(x)

    images = keras.Input((SIZE, SIZE, 3), name="image")
    x = act(L.BatchNormalization()(L.Conv2D(8, 3, 2, "same", use_bias=False)(images)))
    y = act(L.BatchNormalization()(L.Conv2D(16, 1, use_bias=False)(x)))
    y = act(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    y = L.BatchNormalization()(L.Conv2D(8, 1, use_bias=False)(y))
    x = L.Add()([x, y])
    gate = L.Dense(8, "sigmoid")(L.Dense(4, "relu")(L.GlobalAveragePooling2D(keepdims=True)(x)))
    x = L.Multiply()([x, gate])
    x = act(L.BatchNormalization()(L.Conv2D(32, 3, 2, use_bias=False)(L.ZeroPadding2D(1)(x))))
    x = L.BatchNormalization()(L.Dense(dim)(L.Flatten()(x)))
    return settled(keras.Model(images, x, name="small"), SIZE)


def odd() -> Any:
    """A network with an operation that neither TFLite nor ONNX has."""
    images = keras.Input((SIZE, SIZE, 3))
    return keras.Model(images, Inverse()(L.GlobalAveragePooling2D()(images)), name="odd")


@_keras.serializable
class Inverse(L.Layer):
    def call(self, inputs: Any) -> Any:
        return tf.math.erfinv(tf.tanh(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def write_doubling(path: Path, shape: tuple[int | None, ...]) -> None:
    """Write a TFLite file that doubles what comes in."""
    double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec(shape)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    path.write_bytes(converter.convert())


def settled(model: Any, size: int = 112) -> Any:
    """Give batch normalisation the statistics of faces."""
    settle(model, preprocessing_of(size), faces(16, size))
    return model


def preprocessing_of(size: int) -> Preprocessing:
    return Preprocessing((size, size), 1 / 128, 127.5, "RGB")


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
