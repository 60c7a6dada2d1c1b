"""ONNX files: free batches, opsets, and what is refused."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.embedders import load_embedder
from fr_eval.errors import MissingExtraError
from fr_export import to_onnx, wrap

from tests.fr_export.networks import PREPROCESSING, faces, odd, small

pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def network() -> Any:
    return small("prelu")


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("activation", ["prelu", "gelu"])
def test_any_batch(tmp_path: Path, activation: str, opset: int) -> None:
    """GELU has the complement of an error function, which ONNX lacks."""
    network = small(activation)
    path = tmp_path / "net.onnx"
    exported = to_onnx(network, path, opset, PREPROCESSING)
    assert exported.min_cosine > 0.99999 and exported.size_bytes == path.stat().st_size
    model = onnx.load(str(path))
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    images = faces(7, first=30)
    wanted = np.asarray(network(PREPROCESSING.apply(images), training=False))
    embedder = load_embedder(path)
    for count in (1, 7):
        np.testing.assert_allclose(embedder(images[:count]), wanted[:count], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("codes", "zero_point"), [("int8", 0), ("uint8", 128)])
def test_wrapped(tmp_path: Path, network: Any, codes: str, zero_point: int) -> None:
    wrapped = wrap(network, PREPROCESSING, uint8_input=True, flip_sum=True, output_dtype=codes)
    exported = to_onnx(wrapped, tmp_path / "net.onnx")
    assert exported.max_difference <= 1 / 127 + 1e-6
    embeddings = load_embedder(exported.path)(faces(3))
    wanted = (np.asarray(wrapped(faces(3)), np.float32) - zero_point) / 127
    np.testing.assert_allclose(embeddings, wanted, atol=1.01 / 127)


def test_refusals(tmp_path: Path, network: Any) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(InputError, match="opset: expected 11 to 18, got 9"):
        to_onnx(network, path, 9, PREPROCESSING)
    with pytest.raises(InputError, match=r"images: expected uint8 images \(N, H, W, 3\), got float64"):
        to_onnx(network, path, 17, PREPROCESSING, np.zeros((2, 32, 32, 3)))
    with pytest.raises(InputError, match=r"images: 30x32 pixels, the model wants 32x32"):
        to_onnx(network, path, 17, PREPROCESSING, np.zeros((2, 30, 32, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["tf2onnx", "onnxruntime"])
def test_what_is_not_installed(
    tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """It is told before the conversion, with this package's extra."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setitem(sys.modules, f"{missing}.convert", None)
    monkeypatch.setattr("fr_export.onnx._convert", lambda *_: pytest.fail("the work began"))
    message = rf"model 'small' needs {missing}: python -m pip install 'fr-export\[onnx\]'"
    with pytest.raises(MissingExtraError, match=message):
        to_onnx(network, tmp_path / "net.onnx", 17, PREPROCESSING)
    assert not list(tmp_path.iterdir())


def test_operations_that_onnx_lacks(tmp_path: Path) -> None:
    """tf2onnx logs them, and writes a file that no runtime takes."""
    with pytest.raises(InputError, match=r"model 'odd': ONNX \(opset 17\) has no operation for Erfinv$"):
        to_onnx(odd(), tmp_path / "net.onnx", 17, PREPROCESSING)
    assert not list(tmp_path.iterdir())


def test_what_the_runtime_refuses(tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, by the name that the file would have had."""

    def broken(converter: Any, source: Any, opset: int, temporary: Path) -> None:
        temporary.write_bytes(b"nonsense")

    monkeypatch.setattr("fr_export.onnx._convert", broken)
    message = r"net.onnx: was converted but does not run: onnxruntime cannot load it: .*net.onnx"
    with pytest.raises(InputError, match=message) as raised:
        to_onnx(network, tmp_path / "net.onnx", 17, PREPROCESSING)
    assert "\n" not in str(raised.value) and ".writing" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_full_disk(tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, *_: object, **__: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tf2onnx.utils.save_protobuf", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        to_onnx(network, tmp_path / "net.onnx", preprocessing=PREPROCESSING)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "net.onnx"))
    assert not list(tmp_path.iterdir())
