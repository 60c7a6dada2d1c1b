"""The command line, in this process where that is enough."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from fr_eval.embedders import load_embedder
from fr_export import cli

from tests.commands import Run, output_without, runner
from tests.fr_eval.faces import encoded, write_faces, write_lfw_pairs
from tests.fr_export.networks import PREPROCESSING, cosines, faces, odd, small

PAIRS = " --images faces --pairs pairs.txt"


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


def test_brackets_in_names(tmp_path: Path, run: Run, model: Path) -> None:
    output = tmp_path / "a[" / "b][int8].tflite"
    code, out, err = run("tflite", model, "-o", output)
    assert code == 0 and output.is_file() and out.startswith(f"{output}: float32, "), err
    code, out, err = run("bench", output, "--threads", 1, "--runs", 1, "--xnnpack")
    assert code == 0 and "b][int8].tflite" in out, err


def test_float_head(tmp_path: Path, run: Run, model: Path) -> None:
    output = tmp_path / "net.tflite"
    options = ["--kind", "int8", "--float-head", "--representative", model.parent / "faces"]
    code, out, err = run("tflite", model, "-o", output, *options)
    assert code == 0, err
    assert out.startswith(f"{output}: int8, 0.0") and len(out.splitlines()) == 1
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
    assert sidecar == {"size": [48, 40], "scale": 1.0, "offset": 0.0, "colour": "BGR", "flip_sum": True}
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


COMMANDS = """
import json, sys
from fr_export import cli
for line in json.loads(sys.argv[1]):
    sys.argv = ["fr-export", *line.split()]
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code or 0
    print("ended", code, flush=True)
    print("ended", file=sys.stderr, flush=True)
"""


class Answer(NamedTuple):
    """What a command ended with, and what stood on the terminal."""

    code: str
    out: str
    err: str


def on_the_terminal(folder: Path, *lines: str, first_on_path: Path | None = None) -> dict[str, Answer]:
    """Run commands in a process of their own, whose standard error has what C++ writes, too."""
    path = [*([str(first_on_path)] if first_on_path else []), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(lines)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
            "PATH": str(folder),  # without adb
            "PYTHONPATH": os.pathsep.join(path),
        },
        check=True,
    )
    codes = re.findall(r"^ended (.*)\n", done.stdout, re.MULTILINE)
    out, err = (re.split(r"^ended.*\n", text, flags=re.MULTILINE) for text in (done.stdout, done.stderr))
    assert len(codes) == len(lines) and out[-1] == err[-1] == "", done
    return dict(zip(lines, map(Answer, codes, out, err), strict=False))


@pytest.fixture(scope="module")
def faults(model: Path) -> Path:
    """A folder of models and images that commands refuse, beside good ones."""
    folder = model.parent
    odd().save(folder / "odd.keras")
    for name in ("broken.keras", "broken.tflite"):
        (folder / name).write_bytes(model.read_bytes()[:1000])
    (folder / "empty.keras").touch()
    write_lfw_pairs(folder / "pairs.txt")
    for name in ("odd.json", "broken.json"):
        (folder / name).write_text(json.dumps(PREPROCESSING.to_fields()))
    (folder / "big").mkdir()
    (folder / "big" / "0.png").write_bytes(encoded(faces(1, 40)[0]))
    return folder


# Of what TensorFlow must be asked.
ASKED = {
    "tflite net.keras -o x.tflite --colour GBR": "--colour: expected RGB or BGR, got 'GBR'",
    "tflite net.keras -o x.tflite --kind int8 --representative big --count 0": (
        "--count: expected 1 or more, got 0"
    ),
    "tflite odd.keras -o x.tflite": "odd.keras: TFLite has no built-in operation for Erfinv",
    "tflite net.keras -o x.tflite --kind int8 --representative big": (
        "big/0.png: 40x40 pixels, the model wants 32x32"
    ),
    "onnx bare.keras -o x.onnx": "bare.keras: its preprocessing is unknown: write bare.json beside it\n",
}
AT_ONCE = {
    "tflite net.keras -o x.tflite --kind int8": "int8: needs representative images",
    "tflite net.keras -o x.tflite --kind int4": "--kind: expected float32, dynamic, ",
    "tflite net.keras -o x.tflite --io int8": "--io: int8 goes in and out of int8 files only, not of float32",
    "tflite net.keras -o x.tflite --kind int8 --representative e.npz": (
        "--images: missing, expected the folder of the images that e.npz names"
    ),
    "tflite net.keras -o x.tflite --images faces": (
        "--images: faces belongs to an embedding set, expected --representative SET.npz, got none"
    ),
    "tflite net.keras -o x.tflite --kind int8 --representative faces --images faces": (
        "--images: faces belongs to an embedding set, expected --representative SET.npz, got faces"
    ),
    "tflite net.keras -o x.tflite --kind int8 --representative net.json": (
        "net.json: expected a folder of images, a .bin or an embedding set (.npz)"
    ),
    "tflite net.keras -o x.tflite --float-head": "--float-head: expected int8 or int16x8",
    "onnx net.keras -o x.onnx --resize big": "--resize: expected dynamic, or a size such as 160",
    "tflite net.keras -o x.tflite --resize 99999999": (
        "--resize: expected dynamic, or a size such as 160 or 160x120, 10000 at most, got '99999999'"
    ),
    "savedmodel none.keras -o x": "none.keras: no such file",
    "savedmodel broken.keras -o x": "broken.keras: Keras cannot load it: it is cut short",
    "tflite empty.keras -o x.tflite": "empty.keras: Keras cannot load it: it is empty",
    "onnx broken.tflite -o x.onnx": "broken.tflite: expected a .keras file or a Keras model",
    "check net.keras net.keras" + PAIRS + " -o faces/x": "--output: faces/x lies in faces, expected a folder",
    "check net.keras net.keras --images nope --pairs pairs.txt": "--images: nope is no folder",
    "check net.keras none.tflite" + PAIRS: "none.tflite: no such file",
    "check net.keras net.json" + PAIRS: "net.json: expected a .onnx, .tflite or .keras file, or the",
    "check empty.keras broken.tflite" + PAIRS: "empty.keras: Keras cannot load it: it is empty",
    "check net.keras bare.keras" + PAIRS: "bare.keras: its preprocessing is unknown: write bare.json",
    "check net.keras broken.keras" + PAIRS: "broken.keras: Keras cannot load it: it is cut short",
    "check net.keras broken.tflite" + PAIRS + " --images big": "big: 18 images are missing: name_00/",
    "bench broken.tflite --json .": ".: expected a file to write, not a folder",
    "bench broken.tflite --threads 1,3000000000": "--threads: expected 1 to 1,024, got 3000000000",
    "bench broken.tflite": "broken.tflite: LiteRT cannot load it: ",
    "bench broken.tflite --device adb --benchmark-model net.json": "adb: is not installed: phones need",
    "sweep small -o x --heads E,,GDC": "--heads: expected words separated by commas, got 'E,,GDC'",
    "sweep small -o x --dims 512,no": "--dims: expected whole numbers of 1 or more separated by commas",
    "sweep small -o x --kinds int4": "--kinds: expected float32, dynamic, ",
    "sweep mobilefacenet -o x --heads E,GCD": "head: there is no 'GCD'; did you mean GDC",
}


@pytest.fixture(scope="module")
def asked(faults: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Answers, beside an installed package that names the layer of `odd` to Keras."""
    folder = tmp_path_factory.mktemp("layers")
    info = folder / "odd_layers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-layers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fr_eval.keras_layers]\nodd = tests.fr_export.networks\n")
    return on_the_terminal(faults, *ASKED, first_on_path=folder)


@pytest.fixture(scope="module")
def at_once(faults: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Answers, where importing TensorFlow ends the command."""
    folder = tmp_path_factory.mktemp("no_tensorflow")
    (folder / "tensorflow.py").write_text("raise SystemExit('imported')\n")
    return on_the_terminal(faults, *AT_ONCE, first_on_path=folder)


def assert_one_line(answer: Answer, message: str) -> None:
    assert (answer.code, answer.out) == ("2", "")
    assert answer.err.startswith(f"fr-export: {message}") and answer.err.count("\n") == 1, answer.err


@pytest.mark.parametrize("arguments", ASKED)
def test_one_line_on_the_terminal(asked: dict[str, Answer], arguments: str) -> None:
    """Nothing that TensorFlow logs."""
    assert_one_line(asked[arguments], ASKED[arguments])


@pytest.mark.parametrize("arguments", AT_ONCE)
def test_one_line_at_once(at_once: dict[str, Answer], arguments: str) -> None:
    assert_one_line(at_once[arguments], AT_ONCE[arguments])


def test_one_line_of_results_on_the_terminal(model: Path, tmp_path: Path) -> None:
    line = f"tflite net.keras -o {tmp_path}/net.tflite --kind int8 --representative faces --uint8-input"
    answer = on_the_terminal(model.parent, line)[line]
    assert answer.code == "0", answer.err
    assert len(answer.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tflite", "none.keras", "-o", "x.lite"], "x.lite: expected a file to write with the suffix"),
        (["tflite", "faces", "-o", "x.tflite"], "faces: expected a .keras file or a Keras model"),
        (["savedmodel", "net.keras", "-o", "faces"], "faces: is there, and no SavedModel"),
        (["savedmodel", "net.keras", "-o", "x.keras"], "x.keras: expected a folder to write"),
        (["onnx", "none.keras", "-o", "x.onnx", "--opset", "9"], "Invalid value for '--opset'"),
    ],
)
def test_bad_input(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(model.parent)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"fr-export: {message}") and len(err.splitlines()) == 1
    assert not Path(arguments[3]).is_file()
