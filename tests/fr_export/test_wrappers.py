"""Wrapped models against NumPy, as Keras files and as TFLite files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from fr_eval import InputError
from fr_eval.embedders import Codes, Preprocessing, load_embedder
from fr_eval.embedders.keras import load_keras
from fr_export import to_keras, to_saved_model, to_tflite, wrap

from tests.fr_export.networks import SIZE, cosines, faces, small

BGR = Preprocessing((SIZE, SIZE), 1 / 127.5, 120.0, "BGR")


@pytest.fixture(scope="module")
def network() -> Any:
    return small("prelu")


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)


def plain(network: Any, images: np.ndarray) -> np.ndarray:
    """Embeddings of RGB images by the sidecar's rule in NumPy."""
    inputs = (images[..., ::-1].astype(np.float64) - 120.0) / 127.5
    return np.asarray(network(inputs.astype(np.float32), training=False))


def test_unit_length_is_that_of_each_image(network: Any) -> None:
    """Not of the batch, as in the seed's wrapper: an image's embedding is the same whoever it comes with."""
    wrapped, images = wrap(network, BGR), faces(6)
    together = np.asarray(wrapped(images.astype(np.float32)))
    np.testing.assert_allclose(together, unit(plain(network, images)), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    alone = np.concatenate([wrapped(image[None].astype(np.float32)) for image in images])
    np.testing.assert_allclose(together, alone, atol=2e-6)


@pytest.mark.parametrize("codes", ["int8", "uint8"])
def test_codes_keep_their_sign(network: Any, codes: str) -> None:
    images, zero_point = faces(6), {"int8": 0, "uint8": 128}[codes]
    given = np.asarray(wrap(network, BGR, uint8_input=True, output_dtype=codes)(images))
    assert given.dtype == codes
    wanted = unit(plain(network, images))
    assert (wanted < -0.1).any()
    np.testing.assert_allclose((given.astype(float) - zero_point) / 127, wanted, atol=0.5 / 127 + 1e-5)


def test_mirror_images_are_added(network: Any) -> None:
    images = faces(5)
    wrapped = wrap(network, BGR, flip_sum=True, l2_normalise=False)
    wanted = plain(network, images) + plain(network, images[:, :, ::-1])
    np.testing.assert_allclose(wrapped(images.astype(np.float32)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("resize", [(48, 40), "dynamic"])
def test_other_sizes(network: Any, resize: Any) -> None:
    """OpenCV's bilinear samples centres of pixels at halves, too."""
    big = np.stack([cv2.resize(image, (40, 48)) for image in faces(4)])
    wrapped = wrap(network, BGR, resize=resize, l2_normalise=False)
    assert wrapped.input_shape[1:3] == ((None, None) if resize == "dynamic" else (48, 40))
    small_ones = np.stack([cv2.resize(image.astype(np.float32), (SIZE, SIZE)) for image in big])
    given = np.asarray(wrapped(big.astype(np.float32)))
    np.testing.assert_allclose(given, plain(network, small_ones), rtol=1e-3, atol=1e-4)


def test_colours_of_the_caller(network: Any) -> None:
    images = faces(4).astype(np.float32)
    by_rgb, by_bgr = (wrap(network, BGR, colour=colour) for colour in ("RGB", "BGR"))
    np.testing.assert_allclose(by_rgb(images), by_bgr(images[..., ::-1]), atol=1e-6)
    assert np.abs(np.asarray(by_rgb(images)) - np.asarray(by_bgr(images))).max() > 0.01


@pytest.mark.parametrize(
    "options",
    [
        {"uint8_input": True, "output_dtype": "uint8"},
        {"resize": "dynamic", "uint8_input": True, "flip_sum": True},
        {"resize": (48, 48), "colour": "BGR", "output_dtype": "int8"},
    ],
    ids=lambda options: "-".join(options),
)
def test_files(tmp_path: Path, network: Any, options: dict[str, Any]) -> None:
    """As a Keras file without custom objects, and as a TFLite file that fr-eval embeds with."""
    wrapped = wrap(network, BGR, **options)
    wrapped.save(tmp_path / "wrapped.keras")
    again = load_keras(tmp_path / "wrapped.keras")
    exported = to_tflite(again, tmp_path / "wrapped.tflite")
    assert exported.min_cosine > 0.9999
    size = (48, 48) if options.get("resize") == (48, 48) else (SIZE, SIZE)
    zero_point = {"uint8": 128, "int8": 0}.get(options.get("output_dtype", ""))
    codes = None if zero_point is None else Codes(1 / 127, zero_point)
    wanted = Preprocessing(size, 1.0, 0.0, options.get("colour", "RGB"), codes, "flip_sum" in options)
    assert Preprocessing.beside(exported.path) == wanted
    images = faces(6, size[0], first=50)
    small_ones = np.stack([cv2.resize(image.astype(np.float32), (SIZE, SIZE)) for image in images])
    rows = plain(network, small_ones)
    if options.get("flip_sum"):
        rows = rows + plain(network, small_ones[:, :, ::-1])
    assert cosines(load_embedder(exported.path)(images), rows).min() > 0.999


def test_keras_files_with_their_sidecar(tmp_path: Path, network: Any) -> None:
    """Any embedder reads them; a sidecar that says something else of one is an error."""
    wrapped = wrap(network, BGR, uint8_input=True, flip_sum=True)
    exported = to_keras(wrapped, tmp_path / "net.keras")
    assert (exported.kind, exported.path) == (
        "keras",
        tmp_path / "net.keras",
    ) and exported.min_cosine > 0.99999
    assert Preprocessing.beside(exported.path) == Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB", flip_sum=True)
    images = faces(4, first=50)
    np.testing.assert_allclose(load_embedder(exported.path)(images), wrapped(images), atol=1e-6)
    assert to_tflite(exported.path, tmp_path / "copy.tflite").min_cosine > 0.99999
    (tmp_path / "net.json").write_text(json.dumps(BGR.to_fields()))
    with pytest.raises(
        InputError, match=r"net.keras: is wrapped: .*, expected the preprocessing \{.*, got \{"
    ):
        to_tflite(exported.path, tmp_path / "other.tflite")


def test_sidecars_give_free_sizes(tmp_path: Path, network: Any) -> None:
    wrap(network, BGR, resize="dynamic").save(tmp_path / "net.keras")
    told = Preprocessing((48, 40), 1.0, 0.0, "RGB")
    (tmp_path / "net.json").write_text(json.dumps(told.to_fields()))
    assert Preprocessing.beside(to_tflite(tmp_path / "net.keras", tmp_path / "copy.tflite").path) == told


@pytest.mark.parametrize("codes", ["int8", "uint8"])
def test_codes_mean_the_same_in_every_file(tmp_path: Path, network: Any, codes: str) -> None:
    """By sidecars alone; uint8 codes that nothing explains are refused, not read as they are."""
    wrapped, images = wrap(network, BGR, uint8_input=True, output_dtype=codes), faces(6, first=20)
    wrapped.save(tmp_path / "net.keras")
    exported = [to_tflite(wrapped, tmp_path / "net.tflite"), to_saved_model(wrapped, tmp_path / "net")]
    assert all(each.max_difference <= 1.01 / 127 for each in exported)
    wanted = unit(plain(network, images))
    for path in (tmp_path / "net.keras", *(each.path for each in exported)):
        np.testing.assert_allclose(load_embedder(path)(images), wanted, atol=1.6 / 127)
    untold = Preprocessing((SIZE, SIZE), 1.0, 0.0, "RGB")
    np.testing.assert_allclose(load_embedder(tmp_path / "net.tflite", untold)(images), wanted, atol=1.6 / 127)
    if codes == "uint8":
        with pytest.raises(InputError, match=r"net: gives uint8 codes of unknown zero point, expected its"):
            load_embedder(tmp_path / "net", untold)(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "GBR"}, "colour: expected RGB or BGR, got 'GBR'"),
        ({"resize": (0, 3)}, r"resize: expected 'dynamic' or height and width, 10000 at most, got \(0, 3\)"),
        ({"resize": (112, 10_001)}, r"resize: .*, 10000 at most, got \(112, 10001\)"),
        ({"output_dtype": "int4"}, "output_dtype: expected float32, int8 or uint8, got 'int4'"),
        ({"output_dtype": "int8", "l2_normalise": False}, "int8 codes are of embeddings of unit length"),
    ],
)
def test_refusals(network: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrap(network, BGR, **options)


def test_wrapped_once(network: Any) -> None:
    with pytest.raises(InputError, match="model 'small_wrapped': is wrapped already"):
        wrap(wrap(network, BGR))


@pytest.mark.parametrize("kind", ["int8", "int16x8"])
def test_swapped_and_mirrored_pixels_keep_their_scale(tmp_path: Path, network: Any, kind: str) -> None:
    """REVERSE_V2 copies codes though its output may have a scale of its own: 0.79 of 0.99 in mean cosine."""
    crops, images = faces(40), faces(12, first=100)
    wrapped = wrap(network, BGR, colour="RGB", flip_sum=True)
    path = to_tflite(wrapped, tmp_path / "net.tflite", kind, representative=crops).path
    interpreter = Interpreter(str(path))
    scale_of = {each["index"]: each["quantization"] for each in interpreter.get_tensor_details()}
    names = [each["op_name"] for each in interpreter._get_ops_details()]
    gathers = [each for each in interpreter._get_ops_details() if each["op_name"] == "GATHER"]
    assert len(gathers) == 2 and "REVERSE_V2" not in names
    for each in gathers:
        assert scale_of[each["inputs"][0]] == scale_of[each["outputs"][0]] != (0.0, 0)
    rows = plain(network, images) + plain(network, images[:, :, ::-1])
    assert cosines(load_embedder(path)(images), rows).mean() > 0.98
