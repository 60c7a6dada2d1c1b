"""Which file tells a model's preprocessing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fr_eval import InputError
from fr_eval.embedders import Preprocessing, next_sidecar, sidecar_of
from fr_eval.provenance import sha256_of

OLD = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")
NEW = Preprocessing((112, 112), 1.0, 0.0, "BGR")


def test_names(tmp_path: Path) -> None:
    (tmp_path / "net_0.5").mkdir()
    names = {name: sidecar_of(tmp_path / name).name for name in ("net.onnx", "net.v2.onnx", "net_0.5")}
    assert names == {"net.onnx": "net.json", "net.v2.onnx": "net.v2.json", "net_0.5": "net_0.5.json"}


def test_one_that_waits_for_its_model(tmp_path: Path) -> None:
    """It counts from the moment on that the model is the one whose SHA-256 it tells."""
    model, waiting = tmp_path / "net.onnx", next_sidecar(tmp_path / "net.onnx")
    model.write_bytes(b"new")
    digest = sha256_of(model)
    (tmp_path / "net.json").write_text(json.dumps(OLD.to_fields()))
    waiting.write_text(json.dumps({**NEW.to_fields(), "about": {"sha256": digest}}))
    assert Preprocessing.beside(model) == NEW
    model.write_bytes(b"old")
    assert Preprocessing.beside(model) == OLD
    model.unlink()
    assert sidecar_of(model) == tmp_path / "net.json"


@pytest.mark.parametrize("text", ["{", "[]", '{"about": 3}', '{"about": {}}'])
def test_one_that_nobody_of_ours_wrote(tmp_path: Path, text: str) -> None:
    model = tmp_path / "net.onnx"
    model.touch()
    next_sidecar(model).write_text(text)
    with pytest.raises(InputError, match=r"net.onnx: its preprocessing is unknown: write net.json beside it"):
        Preprocessing.beside(model)
