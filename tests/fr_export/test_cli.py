"""The command line, in this process where that is enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fr_eval.embedders import load_embedder
from fr_export import cli

from tests.commands import Run, output_without, runner
from tests.fr_eval.faces import write_faces
from tests.fr_export.networks import PREPROCESSING, cosines, faces, small


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-export", cli.main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    small("prelu").save(folder / "net.keras")
    (folder / "net.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    small().save(folder / "bare.keras")
    write_faces(folder / "faces")
    return folder / "net.keras"


def test_help_without_tensorflow() -> None:
    heavy = ["tensorflow", "keras", "onnx", "tf2onnx", "ai_edge_litert"]
    for arguments in (["--help"], *([name, "--help"] for name in ("tflite", "check", "bench", "sweep"))):
        assert "Usage:" in output_without(heavy, "fr_export.cli", arguments)


def test_tflite(tmp_path: Path, run: Run, model: Path) -> None:
    output = tmp_path / "net.tflite"
    options = ["--kind", "int8", "--io", "uint8", "--representative", model.parent / "faces"]
    code, out, err = run("tflite", model, "-o", output, *options)
    assert code == 0, err
    assert out.startswith(f"{output}: int8, 0.0") and "cosine to the model over 8 images: mean 0.9" in out
    assert len(out.splitlines()) == 1
    by_file, by_model = (load_embedder(path)(faces(6)) for path in (output, model))
    assert cosines(by_file, by_model).mean() > 0.97


def test_wrapped(tmp_path: Path, run: Run, model: Path) -> None:
    output = tmp_path / "net.tflite"
    options = [
        "--uint8-input",
        "--resize",
        "48x40",
        "--colour",
        "BGR",
        "--flip-sum",
        "--output-dtype",
        "int8",
    ]
    code, _, err = run("tflite", model, "-o", output, *options)
    assert code == 0, err
    sidecar = json.loads((tmp_path / "net.json").read_text())
    codes = sidecar.pop("codes")
    assert sidecar == {"size": [48, 40], "scale": 1.0, "offset": 0.0, "colour": "BGR"}
    assert codes == {"scale": pytest.approx(1 / 127), "zero_point": 0}
    embedding = load_embedder(output)(np.zeros((1, 48, 40, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(embedding), 1.0, atol=0.05)


def test_onnx_and_savedmodel(tmp_path: Path, run: Run, model: Path) -> None:
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    code, out, err = run("onnx", model, "-o", tmp_path / "net.onnx", "--opset", 13)
    assert code == 0, err
    assert "onnx, " in out and "min 1.000000" in out
    wanted = load_embedder(model)(faces(3))
    np.testing.assert_allclose(load_embedder(tmp_path / "net.onnx")(faces(3)), wanted, rtol=1e-3, atol=1e-4)
    code, out, err = run("savedmodel", model, "-o", tmp_path / "served", "--pixels")
    assert code == 0, err
    assert "saved_model, " in out and (tmp_path / "served" / "saved_model.pb").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tflite", "net.keras", "-o", "x.tflite", "--kind", "int8"], "int8: needs representative images"),
        (["tflite", "net.keras", "-o", "x.lite"], "x.lite: expected a file to write with the suffix .tflite"),
        (["tflite", "none.keras", "-o", "x.tflite"], "none.keras: no such file"),
        (["tflite", "faces", "-o", "x.tflite"], "faces: expected a .keras file or a Keras model"),
        (["onnx", "bare.keras", "-o", "x.onnx"], "bare.keras: its preprocessing is unknown: write bare.json"),
        (["onnx", "net.keras", "-o", "x.onnx", "--resize", "big"], "--resize: expected dynamic, or a size"),
        (["savedmodel", "net.keras", "-o", "faces"], "faces: is there, and no SavedModel"),
        (
            ["tflite", "net.keras", "-o", "x.tflite", "--kind", "int8", "--representative", "big"],
            "big/0.png: 40x40 pixels, the model wants 32x32",
        ),
    ],
)
def test_bad_input(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    from tests.fr_eval.faces import encoded

    monkeypatch.chdir(model.parent)
    (model.parent / "big").mkdir(exist_ok=True)
    (model.parent / "big" / "0.png").write_bytes(encoded(faces(1, 40)[0]))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"fr-export: {message}") and len(err.splitlines()) == 1
    assert not Path(arguments[3]).is_file()
