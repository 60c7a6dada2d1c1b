"""ONNX files: free batches, opsets, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.embedders import load_embedder
from fr_export import to_onnx, wrap

from tests.fr_export.networks import PREPROCESSING, faces, small

pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def network() -> Any:
    return small("prelu")


@pytest.mark.parametrize("opset", [11, 17])
def test_any_batch(tmp_path: Path, network: Any, opset: int) -> None:
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


def test_wrapped(tmp_path: Path, network: Any) -> None:
    wrapped = wrap(network, PREPROCESSING, uint8_input=True, flip_sum=True, output_dtype="int8")
    exported = to_onnx(wrapped, tmp_path / "net.onnx")
    assert exported.max_difference <= 1 / 127 + 1e-6
    embeddings = load_embedder(exported.path)(faces(3))
    np.testing.assert_allclose(embeddings, np.asarray(wrapped(faces(3)), np.float32) / 127, atol=1.01 / 127)


def test_refusals(tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(InputError, match="opset: expected 11 to 18, got 9"):
        to_onnx(network, path, 9, PREPROCESSING)
    with pytest.raises(InputError, match="gives uint8 codes, whose zero point ONNX files do not tell"):
        to_onnx(wrap(network, PREPROCESSING, output_dtype="uint8"), path)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "tf2onnx.convert", None)
    with pytest.raises(ImportError, match=r"python -m pip install 'fr-export\[onnx\]'"):
        to_onnx(network, path, 17, PREPROCESSING)
    assert not list(tmp_path.iterdir())
