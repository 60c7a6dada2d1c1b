"""Every kind of file: what it holds, what it gives, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from fr_eval import InputError
from fr_eval.embedders import Codes, Preprocessing, load_embedder
from fr_export import KINDS, _flatbuffer, to_tflite, wrap
from fr_export.wrappers import Quantise
from tensorflow import keras
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from tests.fr_export.networks import PREPROCESSING, cosines, faces, odd, small

LEAST_MEAN_COSINE = {
    "float32": 0.9999999,
    "dynamic": 0.995,
    "float16": 0.99999,
    "int8": 0.98,
    "int16x8": 0.995,
}


@pytest.fixture(scope="module", params=["relu6", "prelu"])
def network(request: pytest.FixtureRequest) -> Any:
    return small(request.param)


def plain_interpreter(path: Path) -> Any:
    """TFLite's own operations, without XNNPACK."""
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    return interpreter


def operations(path: Path) -> set[str]:
    return {operation["op_name"] for operation in plain_interpreter(path)._get_ops_details()}


def plainly_run(path: Path, inputs: np.ndarray) -> np.ndarray:
    interpreter, rows = plain_interpreter(path), []
    for image in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(tmp_path: Path, network: Any, kind: str) -> None:
    """The file alone, by fr-eval's embedder and its sidecar, on images that nothing was calibrated on."""
    path = tmp_path / "net.tflite"
    exported = to_tflite(network, path, kind, PREPROCESSING, representative=faces(40))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.tflite"]
    assert exported.size_bytes == path.stat().st_size and exported.path == path
    images = faces(12, first=100)
    wanted = np.asarray(network(PREPROCESSING.apply(images), training=False))
    assert cosines(load_embedder(path)(images), wanted).mean() > LEAST_MEAN_COSINE[kind]
    found = operations(path)
    assert not {name for name in found if name.startswith("Flex")}
    assert not {"SHAPE", "RSQRT", "BATCH_MATMUL"} & found, "normalisation is folded, the batch is fixed"
    assert ("PRELU" in found) == any(isinstance(layer, keras.layers.PReLU) for layer in network.layers)


def test_relative_sizes(tmp_path: Path) -> None:
    """Weights of 4, 2 and 1 bytes, of a network where weights are nearly all."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(256, 3, 2, activation="relu")(images)
    x = keras.layers.Conv2D(256, 3, 2, activation="relu")(x)
    network = keras.Model(images, keras.layers.Dense(64)(keras.layers.GlobalAveragePooling2D()(x)))
    sizes = {
        kind: to_tflite(network, tmp_path / "net.tflite", kind, PREPROCESSING, faces(8)).size_bytes
        for kind in ("float32", "float16", "dynamic", "int8")
    }
    weights = 4 * network.count_params()
    assert weights < sizes["float32"] < 1.02 * weights
    assert sizes["float16"] == pytest.approx(weights / 2, rel=0.03)
    assert sizes["int8"] == pytest.approx(weights / 4, rel=0.05)
    assert sizes["dynamic"] == pytest.approx(weights / 4, rel=0.05)


def test_float16_rounds_weights_and_nothing_else(tmp_path: Path, network: Any) -> None:
    """Bit by bit the float32 file with constants of 16 bits: a low cosine is the network's own."""
    for kind in ("float32", "float16"):
        to_tflite(network, tmp_path / f"{kind}.tflite", kind, PREPROCESSING)
    model = flatbuffer_utils.read_model(str(tmp_path / "float32.tflite"))
    for tensor in model.subgraphs[0].tensors:
        buffer = model.buffers[tensor.buffer]
        if tensor.type == schema.TensorType.FLOAT32 and buffer.data is not None:
            halves = np.frombuffer(bytes(buffer.data), np.float32).astype(np.float16)
            buffer.data = np.frombuffer(halves.astype(np.float32).tobytes(), np.uint8)
    flatbuffer_utils.write_model(model, str(tmp_path / "rounded.tflite"))
    images = PREPROCESSING.apply(faces(3))
    rows = {
        name: plainly_run(tmp_path / f"{name}.tflite", images) for name in ("float32", "float16", "rounded")
    }
    np.testing.assert_array_equal(rows["float16"], rows["rounded"])
    assert (rows["float16"] != rows["float32"]).any()


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_integer_input_and_output(tmp_path: Path, io: str) -> None:
    """Codes are those that the float file makes inside."""
    network, images = small("prelu"), faces(12, first=100)
    codes = tmp_path / f"{io}.tflite"
    to_tflite(network, codes, "int8", PREPROCESSING, faces(40), io=io)
    for details in (
        Interpreter(str(codes)).get_input_details(),
        Interpreter(str(codes)).get_output_details(),
    ):
        assert np.dtype(details[0]["dtype"]).name == io and details[0]["quantization"][0] > 0
    to_tflite(network, tmp_path / "float.tflite", "int8", PREPROCESSING, faces(40))
    by_float = load_embedder(tmp_path / "float.tflite")(images)
    np.testing.assert_allclose(load_embedder(codes)(images), by_float, atol=1e-5)


def test_a_cap_that_16_bits_do_not_reach(tmp_path: Path) -> None:
    """LiteRT refuses ReLU6 at such scales; the cap goes, and the numbers stay."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.DepthwiseConv2D(3, depthwise_initializer="ones")(images)
    x = keras.layers.Conv2D(8, 1, kernel_initializer=keras.initializers.Constant(1e-7))(x)
    x = keras.layers.ReLU(6.0)(keras.layers.DepthwiseConv2D(3, depthwise_initializer="ones")(x))
    network = keras.Model(images, keras.layers.Rescaling(1e6)(keras.layers.GlobalAveragePooling2D()(x)))
    pixels = np.clip(faces(12).astype(int) + 100, 0, 255).astype(np.uint8)
    twice = np.repeat(pixels, 2, axis=0)  # so that what is held back is within the ranges of the rest
    exported = to_tflite(network, tmp_path / "net.tflite", "int16x8", PREPROCESSING, twice)
    assert exported.min_cosine > 0.999 and exported.max_difference < 0.02


def test_steps_that_pass_all_codes(tmp_path: Path) -> None:
    """XNNPACK refuses a gate whose sums are worth 256 codes of its output each; mended, no code changes."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, kernel_initializer=keras.initializers.RandomNormal(0, 1e6, 4))(images)
    network = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU(6.0)(x)))
    with pytest.MonkeyPatch.context() as without:
        without.setattr(_flatbuffer, "_shorten_steps_over_all_codes", lambda model: None)
        with pytest.raises(InputError, match="was converted but does not run"):
            to_tflite(network, tmp_path / "net.tflite", "int8", PREPROCESSING, faces(12))
        without.setattr("fr_export.exported._run_file", lambda *_: np.ones((3, 8), np.float32))
        to_tflite(network, tmp_path / "refused.tflite", "int8", PREPROCESSING, faces(12))
    exported = to_tflite(network, tmp_path / "net.tflite", "int8", PREPROCESSING, faces(12))
    assert exported.min_cosine > 0.999
    images = PREPROCESSING.apply(faces(6, first=50))
    refused, mended = (plainly_run(tmp_path / f"{name}.tflite", images) for name in ("refused", "net"))
    np.testing.assert_array_equal(mended, refused)
    np.testing.assert_allclose(load_embedder(exported.path)(faces(6, first=50)), mended, atol=6 / 255)


def test_operations_that_tflite_lacks(tmp_path: Path) -> None:
    network = odd()
    with pytest.raises(InputError, match=r"odd': TFLite has no built-in operation for Erfinv$") as error:
        to_tflite(network, tmp_path / "net.tflite", "float32", PREPROCESSING)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "int4"}, "kind: expected float32, dynamic, float16, int8, int16x8, got 'int4'"),
        ({"kind": "int8"}, "int8: needs representative images"),
        ({"kind": "float16", "io": "uint8"}, "io: uint8 goes in and out of int8 files only, not of float16"),
        ({"kind": "int8", "io": "int4"}, "io: expected float, int8, uint8, got 'int4'"),
        (
            {"kind": "int8", "representative": np.zeros((4, 30, 32, 3), np.uint8)},
            "representative: 30x32 pixels, the model wants 32x32",
        ),
        ({"representative": np.zeros((4, 32, 32, 3))}, "representative: expected uint8 images"),
        ({"preprocessing": None}, "model 'small': its preprocessing is unknown"),
        (
            {"preprocessing": Preprocessing((64, 64), 1.0, 0.0, "RGB")},
            "model 'small': takes images of 32x32 pixels, the preprocessing says 64x64",
        ),
    ],
)
def test_refusals(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_tflite(small(), tmp_path / "net.tflite", **{"preprocessing": PREPROCESSING, **options})
    assert not list(tmp_path.iterdir())


def test_other_files_stay(tmp_path: Path) -> None:
    """An export that fails leaves the older file and its sidecar as they are."""
    path = tmp_path / "net.tflite"
    to_tflite(small(), path, "float32", PREPROCESSING)
    before = path.read_bytes()
    images = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    zeros = keras.Model(images, keras.layers.Dense(4, kernel_initializer="zeros")(x))
    with pytest.raises(InputError, match="gives embeddings of zeros"):
        to_tflite(zeros, path, "float32", Preprocessing((32, 32), 1.0, 0.0, "BGR"))
    assert path.read_bytes() == before and Preprocessing.beside(path) == PREPROCESSING
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.json", "net.tflite"]


@pytest.mark.parametrize("io", ["float", "int8", "uint8"])
def test_wrapped_pixels_in_int8(tmp_path: Path, io: str) -> None:
    """uint8 pixels go in as they are, whatever the codes that int8 files take otherwise."""
    network = small("prelu")
    wrapped = wrap(network, PREPROCESSING, uint8_input=True)
    exported = to_tflite(wrapped, tmp_path / "net.tflite", "int8", representative=faces(40), io=io)
    images = faces(12, first=100)
    wanted = np.asarray(network(PREPROCESSING.apply(images), training=False))
    assert cosines(load_embedder(exported.path)(images), wanted).mean() > 0.98


def test_preprocessing_of_wrapped_models(tmp_path: Path) -> None:
    """It is in the graph: a second time it would be done to numbers around zero."""
    wrapped = wrap(small(), PREPROCESSING)
    with pytest.raises(InputError, match=r"model 'small_wrapped': is wrapped: takes RGB pixels from 0 to"):
        to_tflite(wrapped, tmp_path / "net.tflite", "float32", PREPROCESSING)
    pixels = Preprocessing((32, 32), 1.0, 0.0, "RGB")
    assert to_tflite(wrapped, tmp_path / "net.tflite", "float32", pixels).min_cosine > 0.99999


def test_preprocessing_of_models_of_uint8(tmp_path: Path) -> None:
    """Numbers below zero would become 250 or so."""
    images = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 128, -1)(images))
    network = keras.Model(images, keras.layers.GlobalAveragePooling2D()(x), name="bytes")
    with pytest.raises(InputError, match=r"model 'bytes': takes uint8 pixels, expected preprocessing"):
        to_tflite(network, tmp_path / "net.tflite", "float32", PREPROCESSING)
    with pytest.raises(InputError, match=r"model 'bytes': takes uint8 pixels, expected a model of float"):
        wrap(network, Preprocessing((32, 32), 1.0, 0.0, "RGB"))
    pixels = Preprocessing((32, 32), 1.0, 0.0, "RGB")
    exported = to_tflite(network, tmp_path / "net.tflite", "float32", pixels)
    assert exported.min_cosine > 0.99999


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(tmp_path: Path, policy: str) -> None:
    """A layer that computes so is named; none is of a model of float32, whatever the policy in force."""
    network = small()
    keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = small()
        to_tflite(network, tmp_path / "net.tflite", preprocessing=PREPROCESSING)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    for model in (mixed, wrap(mixed, PREPROCESSING)):
        told = PREPROCESSING if model is mixed else None
        with pytest.raises(InputError, match=rf"layer '\w+' computes in {policy[6:]}, expected float32"):
            to_tflite(model, tmp_path / "mixed.tflite", preprocessing=told)


def test_codes_are_not_quantised_twice(tmp_path: Path) -> None:
    wrapped = wrap(small(), PREPROCESSING, output_dtype="int8")
    with pytest.raises(InputError, match=r"int8: the model gives codes already"):
        to_tflite(wrapped, tmp_path / "net.tflite", "int8", representative=faces(4))


def test_codes_that_the_preprocessing_explains(tmp_path: Path) -> None:
    """Of a network that nobody wrapped; codes that nothing explains are refused."""
    network = small()
    unit = keras.layers.UnitNormalization()(network.output)
    coded = keras.Model(network.input, Quantise("uint8")(unit), name="coded")
    told = replace(PREPROCESSING, codes=Codes(1 / 127, 128))
    exported = to_tflite(coded, tmp_path / "net.tflite", "float32", told)
    assert exported.min_cosine > 0.9999
    wanted = np.asarray(network(PREPROCESSING.apply(faces(5)), training=False))
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(load_embedder(exported.path)(faces(5)), wanted, atol=1.01 / 127)
    with pytest.raises(InputError, match=r"untold.tflite: .*gives uint8 codes of unknown zero point"):
        to_tflite(coded, tmp_path / "untold.tflite", "float32", PREPROCESSING)
