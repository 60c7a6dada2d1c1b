"""Where results come from."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest
from fr_eval import InputError
from fr_eval.provenance import (
    external_data,
    machine,
    provenance,
    sha256_of,
    sha256_of_files,
    sha256_of_model,
    write_json,
)

from tests.fr_eval.faces import write_external_onnx, write_onnx


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"one")
    assert sha256_of(tmp_path / "deep" / "a") == hashlib.sha256(b"one").hexdigest()
    before = sha256_of(tmp_path)
    (tmp_path / "deep" / "a").rename(tmp_path / "deep" / "b")
    assert sha256_of(tmp_path) != before


@pytest.mark.parametrize("location", ["shift.data", "w" * 120, "w" * 200])
def test_hash_of_a_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    """Of an ONNX file with the weights beside it, which are found without onnx."""
    path = tmp_path / "net.onnx"
    weights = write_external_onnx(path, location)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert external_data(path) == [weights]
    before = sha256_of_model(path)
    assert provenance({"model": path}, {})["inputs"]["model"]["sha256"] == before
    weights.write_bytes(b"\1" * weights.stat().st_size)
    assert sha256_of_model(path) != before
    weights.unlink()
    with pytest.raises(InputError, match=f"net.onnx: its weights are in {location}, expected beside it"):
        sha256_of_model(path)


def test_hash_of_a_model_in_one_file(tmp_path: Path) -> None:
    """A property and a value of the name "location" name no file."""
    import onnx

    path = tmp_path / "net.onnx"
    write_onnx(path)
    model = onnx.load(str(path))
    value = onnx.helper.make_tensor_value_info("location", onnx.TensorProto.FLOAT, ["batch", 48])
    model.graph.value_info.append(value)
    onnx.helper.set_model_props(model, {"location": "shift.data"})
    onnx.save(model, str(path))
    assert external_data(path) == [] and sha256_of_model(path) == sha256_of(path)


def test_provenance(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    found = provenance({"pairs": tmp_path / "a.txt"}, {"rule": "linear"})
    assert found["inputs"]["pairs"]["file"] == "a.txt" and found["settings"] == {"rule": "linear"}
    assert {"python", "numpy", "fr-eval", "fr-native"} == set(found["versions"])


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(
        tmp_path / "r.json", {"a": float("nan"), "b": [float("inf"), -float("inf")], 3: (1, {"c": 0.5})}
    )
    assert json.loads((tmp_path / "r.json").read_text()) == {
        "a": None,
        "b": ["inf", "-inf"],
        "3": [1, {"c": 0.5}],
    }


def test_versions_and_machine(tmp_path: Path) -> None:
    found = provenance({}, {}, ("pytest", "no-such-package"))["versions"]
    assert found["pytest"] == pytest.__version__ and "no-such-package" not in found
    told = machine()
    assert told["cpu"] and 1 <= told["cores"] <= (os.cpu_count() or 1)


def test_hash_of_some_files(tmp_path: Path) -> None:
    """Names and contents count, in their order; what else is there does not."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode())
    whole = sha256_of_files(tmp_path, ["a", "b"])
    lines = "".join(f"{name}\0{hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("a", "b"))
    assert whole == hashlib.sha256(lines.encode()).hexdigest()
    (tmp_path / "c").write_bytes(b"other")
    assert sha256_of_files(tmp_path, ["a", "b"]) == whole != sha256_of_files(tmp_path, ["b", "a"])
    assert sha256_of(tmp_path) == sha256_of_files(tmp_path, ["a", "b", "c"])
