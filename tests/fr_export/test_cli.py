"""The command line, in this process where that is enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fr_eval.embedders import load_embedder
from fr_export import cli

from tests.commands import Run, output_without, runner
from tests.fr_eval.faces import encoded, write_faces
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
    assert out.startswith(f"{output}: int8, 0.0") and "cosine to the model over 4 images: mean 0.9" in out
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


def test_beside_the_source(tmp_path: Path, run: Run, model: Path) -> None:
    """As in a training run's folder: the source's sidecar, and what else it tells, stays as it is."""
    for name in ("net.keras", "net.json"):
        (tmp_path / name).write_bytes((model.parent / name).read_bytes())
    record = json.dumps({**PREPROCESSING.to_fields(), "about": {"value": 0.99}})
    (tmp_path / "net.json").write_text(record)
    source, output = tmp_path / "net.keras", tmp_path / "net.tflite"
    assert run("tflite", source, "-o", output)[0] == 0
    code, out, err = run("tflite", source, "-o", output, "--uint8-input")
    assert (code, out) == (2, "")
    assert "net.json: is the sidecar of net.keras, too" in err and "give it another name or folder" in err
    assert (tmp_path / "net.json").read_text() == record
    assert cosines(load_embedder(output)(faces(3)), load_embedder(source)(faces(3))).min() > 0.99999
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.keras", "net.tflite"]


def test_warning_of_a_lossy_file(tmp_path: Path, run: Run, model: Path) -> None:
    """Calibrated on grey images, int8 clips the face that was held back."""
    grey = np.full((32, 32, 3), 127, np.uint8)
    for position, pixels in enumerate([faces(1)[0], grey, grey, grey]):
        (tmp_path / f"{position}.png").write_bytes(encoded(pixels))
    options = ["--kind", "int8", "--representative", tmp_path]
    code, out, err = run("tflite", model, "-o", tmp_path / "net.tflite", *options)
    assert code == 0 and "over 1 images" in out
    assert err.startswith(f"fr-export: warning: {tmp_path / 'net.tflite'}: int8: mean cosine 0.")
    assert "trained networks keep 0.98 or more" in err and len(err.splitlines()) == 1


def on_the_terminal(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, whose standard error has what C++ writes, too."""
    return subprocess.run(
        [sys.executable, "-m", "fr_export.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["onnx", "bare.keras", "-o", "x.onnx"], "bare.keras: its preprocessing is unknown: write bare.json"),
        (["tflite", "broken.keras", "-o", "x.tflite"], "broken.keras: Keras cannot load it: "),
        (["bench", "broken.tflite"], "broken.tflite: LiteRT cannot load it: "),
    ],
)
def test_one_line_on_the_terminal(model: Path, arguments: list[str], message: str) -> None:
    for name in ("broken.keras", "broken.tflite"):
        (model.parent / name).write_bytes(model.read_bytes()[:1000])
    (model.parent / "broken.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    done = on_the_terminal(model.parent, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fr-export: {message}") and len(done.stderr.splitlines()) == 1


def test_one_line_of_results_on_the_terminal(model: Path, tmp_path: Path) -> None:
    options = ["--kind", "int8", "--representative", "faces", "--uint8-input"]
    done = on_the_terminal(model.parent, "tflite", "net.keras", "-o", tmp_path / "net.tflite", *options)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tflite", "net.keras", "-o", "x.tflite", "--kind", "int8"], "int8: needs representative images"),
        (["tflite", "none.keras", "-o", "x.lite"], "x.lite: expected a file to write with the suffix"),
        (["tflite", "none.keras", "-o", "x.tflite"], "none.keras: no such file"),
        (["tflite", "faces", "-o", "x.tflite"], "faces: expected a .keras file or a Keras model"),
        (["onnx", "bare.keras", "-o", "x.onnx"], "bare.keras: its preprocessing is unknown: write bare.json"),
        (["onnx", "net.keras", "-o", "x.onnx", "--resize", "big"], "--resize: expected dynamic, or a size"),
        (["savedmodel", "net.keras", "-o", "faces"], "faces: is there, and no SavedModel"),
        (["savedmodel", "net.keras", "-o", "x.keras"], "x.keras: expected a folder to write"),
        (["onnx", "none.keras", "-o", "x.onnx", "--opset", "9"], "Invalid value for '--opset'"),
        (
            ["tflite", "net.keras", "-o", "x.tflite", "--kind", "int8", "--representative", "big"],
            "big/0.png: 40x40 pixels, the model wants 32x32",
        ),
    ],
)
def test_bad_input(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(model.parent)
    (model.parent / "big").mkdir(exist_ok=True)
    (model.parent / "big" / "0.png").write_bytes(encoded(faces(1, 40)[0]))
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"fr-export: {message}") and len(err.splitlines()) == 1
    assert not Path(arguments[3]).is_file()
