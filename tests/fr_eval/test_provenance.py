"""Where results come from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fr_eval.provenance import provenance, sha256_of, write_json


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"one")
    assert sha256_of(tmp_path / "deep" / "a") == hashlib.sha256(b"one").hexdigest()
    before = sha256_of(tmp_path)
    (tmp_path / "deep" / "a").rename(tmp_path / "deep" / "b")
    assert sha256_of(tmp_path) != before


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
