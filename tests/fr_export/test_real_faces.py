"""``fr-export check`` on a trained network and real faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fr_eval.embedders import Preprocessing
from fr_export import cli, representative_images, to_tflite

from tests.commands import Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-export", cli.main, monkeypatch, capsys)


@pytest.mark.slow
def test_real_faces(run: Run, shared_data: Path, tmp_path: Path) -> None:
    """A trained network as ONNX, its Keras twin's exports: equal accuracy, int8 within a point."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    import fr_models

    lfw = shared_data / "lfw" / "aligned112"
    told = Preprocessing((112, 112), 1 / 128, 127.0, "RGB")
    (tmp_path / "source.onnx").symlink_to(shared_data / "models" / "fr_feature_512.onnx")
    (tmp_path / "source.json").write_text(json.dumps(told.to_fields()))
    network = fr_models.from_onnx(tmp_path / "source.onnx")
    crops = representative_images(lfw, (112, 112), count=40)
    exports = [
        to_tflite(network, tmp_path / f"{kind}.tflite", kind, told, crops).path
        for kind in ("float32", "int8")
    ]
    lines = (shared_data / "lfw" / "pairs.txt").read_text().splitlines()[1:]
    kept = [line for fold in range(10) for half in (0, 300) for line in lines[600 * fold + half :][:15]]
    pairs, output = tmp_path / "pairs.txt", tmp_path / "out"
    pairs.write_text("\n".join(["10\t15", *kept]))
    options = ["--images", lfw, "--pairs", pairs, "--min-cosine", 0.9, "-o", output]
    code, out, _ = run("check", tmp_path / "source.onnx", *exports, *options)
    assert code == 0, out
    result = json.loads((output / "parity.json").read_text())
    before = result["source"]["accuracy"]["mean"]
    assert before > 0.97
    after = {row["kind"]: row["accuracy"] for row in result["exported"]}
    assert after["float32"]["after"]["mean"] == before
    assert after["int8"]["change"]["value"] == pytest.approx(0, abs=0.01)
    assert np.sign(after["int8"]["change"]["low"]) <= 0 <= np.sign(after["int8"]["change"]["high"])
