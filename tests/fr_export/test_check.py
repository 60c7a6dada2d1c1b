"""``fr-export check`` and ``bench`` as commands, on made-up patterns and on real faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fr_eval.embedders import Preprocessing
from fr_export import cli, representative_images, to_onnx, to_saved_model, to_tflite, wrap
from tensorflow import keras

from tests.commands import Run, runner
from tests.fr_eval.faces import write_faces, write_lfw_pairs
from tests.fr_export.networks import PREPROCESSING, SIZE, faces, small


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-export", cli.main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source, its exports, one of another network, and one that gives a single vector."""
    folder = tmp_path_factory.mktemp("check")
    write_faces(folder / "faces")
    write_lfw_pairs(folder / "pairs.txt")
    network = small("prelu")
    network.save(folder / "net.keras")
    for name in ("net", "one"):
        (folder / f"{name}.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    to_tflite(network, folder / "float32.tflite", preprocessing=PREPROCESSING)
    to_tflite(network, folder / "int8.tflite", "int8", PREPROCESSING, faces(8))
    to_tflite(wrap(network, PREPROCESSING, uint8_input=True), folder / "pixels.tflite", "float16")
    to_tflite(small("relu"), folder / "other.tflite", preprocessing=PREPROCESSING)
    images = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    one = keras.layers.Dense(16, bias_initializer=keras.initializers.RandomNormal(100.0, 30.0, 1))(pooled)
    keras.Model(images, one).save(folder / "one.keras")
    return folder


def faces_and_pairs(folder: Path) -> list[object]:
    return ["--images", folder / "faces", "--pairs", folder / "pairs.txt"]


def test_pass(run: Run, folder: Path, tmp_path: Path) -> None:
    """The same accuracy from the source and from exact exports, read by their sidecars alone."""
    exports = [folder / f"{name}.tflite" for name in ("float32", "pixels", "int8")]
    options = ["--min-cosine", 0.9, "-o", tmp_path / "parity"]
    code, out, err = run("check", folder / "net.keras", *exports, *faces_and_pairs(folder), *options)
    assert code == 0, out + err
    assert "float32.tflite: pass: cosine to the source over 18 images: min 1.000000" in out
    assert "warning" not in out
    result = json.loads((tmp_path / "parity" / "parity.json").read_text())
    before = result["source"]["accuracy"]
    assert result["inputs"]["images"]["n_images"] == 18 and len(result["inputs"]["images"]["sha256"]) == 64
    assert {"fr-export", "ai-edge-litert", "tensorflow"} <= set(result["versions"])
    rows = {row["file"]: row for row in result["exported"]}
    assert [rows[name.name]["kind"] for name in exports] == ["float32", "float16", "int8"]
    for name in ("float32.tflite", "pixels.tflite"):
        assert rows[name]["accuracy"]["after"]["folds"] == before["folds"]
        assert rows[name]["min_cosine"] > 0.9999
    assert [point["far"] for point in rows["int8.tflite"]["tar_at_far"]] == [0.1, 0.01, 0.001]
    sizes = [row["size_bytes"] for row in result["exported"]]
    assert sizes == sorted(sizes) and all(row["latency_ms"] > 0 for row in result["exported"])
    assert (tmp_path / "parity" / "parity.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "parity").iterdir()) == ["parity.json", "parity.png"]


def test_onnx(run: Run, folder: Path) -> None:
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    to_onnx(folder / "net.keras", folder / "net_copy.onnx")
    code, out, _ = run(
        "check",
        folder / "net.keras",
        folder / "net_copy.onnx",
        *faces_and_pairs(folder),
        "--min-cosine",
        0.99999,
    )
    assert code == 0, out


def test_saved_model(run: Run, folder: Path, tmp_path: Path) -> None:
    """As what comes after, and before: the folder embeds as its sidecar says."""
    served = to_saved_model(wrap(folder / "net.keras", uint8_input=True), folder / "served").path
    options = [*faces_and_pairs(folder), "--min-cosine", 0.99999, "-o", tmp_path / "parity"]
    code, out, err = run("check", folder / "net.keras", served, *options)
    assert code == 0, out + err
    (row,) = json.loads((tmp_path / "parity" / "parity.json").read_text())["exported"]
    assert (row["file"], row["kind"], row["latency_ms"]) == ("served", "saved_model", None)
    assert row["size_bytes"] == sum(file.stat().st_size for file in served.rglob("*") if file.is_file())
    code, out, _ = run("check", served, folder / "float32.tflite", *faces_and_pairs(folder))
    assert code == 0, out


def test_fail(run: Run, folder: Path) -> None:
    options = [*faces_and_pairs(folder), "--min-cosine", 0.9999]
    code, out, _ = run("check", folder / "net.keras", folder / "other.tflite", *options)
    assert code == 1 and "other.tflite: FAIL: cosine to the source" in out


def test_warning_about_one_vector(run: Run, folder: Path) -> None:
    code, out, _ = run("check", folder / "one.keras", folder / "one.keras", *faces_and_pairs(folder))
    assert code == 0
    assert "warning: one.keras does not tell faces apart (AUC" in out and "has it been trained?" in out


def test_a_source_against_itself(run: Run, folder: Path, tmp_path: Path) -> None:
    """Cosines of 1 and nothing between them: there is a plot nevertheless."""
    code, out, err = run(
        "check", folder / "net.keras", folder / "net.keras", *faces_and_pairs(folder), "-o", tmp_path
    )
    assert code == 0, out + err
    assert json.loads((tmp_path / "parity.json").read_text())["exported"][0]["min_cosine"] > 1 - 1e-9
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")


def test_files_of_one_name(run: Run, folder: Path, tmp_path: Path) -> None:
    """Told apart by their folders, in the report and in the table."""
    for place, made in (("old", "int8"), ("new", "float32")):
        (tmp_path / place).mkdir()
        for suffix in ("tflite", "json"):
            content = (folder / f"{made}.{suffix}").read_bytes()
            (tmp_path / place / f"net.{suffix}").write_bytes(content)
    exports = [tmp_path / place / "net.tflite" for place in ("old", "new")]
    options = ["--min-cosine", 0.9, "-o", tmp_path / "out"]
    code, out, err = run("check", folder / "net.keras", *exports, *faces_and_pairs(folder), *options)
    assert code == 0, err
    assert all(f"{path}: pass" in out for path in exports)
    result = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert {row["file"]: row["kind"] for row in result["exported"]} == {
        str(exports[0]): "int8",
        str(exports[1]): "float32",
    }


def test_few_false_accepts_are_flagged(run: Run, folder: Path) -> None:
    """Six impostor pairs: of none accepted, the rule of three allows half."""
    code, out, _ = run("check", folder / "net.keras", folder / "net.keras", *faces_and_pairs(folder))
    assert code == 0
    line = next(line for line in out.splitlines() if "TAR at FAR 0.001" in line)
    assert "0 of 6: <" in line and "5.0e-01" in out and "unclear" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "none.keras", "float32.tflite"], "none.keras: no such file"),
        (
            ["check", "bare.keras", "float32.tflite"],
            "bare.keras: its preprocessing is unknown: write bare.json",
        ),
        (["check", "net.keras", "big.tflite"], "big.tflite: its input has shape [1, 32, 32, 3]"),
        (
            ["check", "net.keras", "float32.tflite", "--images", "few"],
            "few: 17 images are missing: name_00/name_00_0002.jpg, ",
        ),
        (
            ["check", "none.keras", "none.tflite", "--pairs", "sorted.txt"],
            "sorted.txt: fold 1 of 10 holds genuine pairs only, expected both",
        ),
        (
            ["check", "none.keras", "none.tflite", "-o", "net.json"],
            "net.json: expected a folder to write to: File exists",
        ),
        (
            ["check", "net.keras", "float32.tflite", "--min-cosine", "2"],
            "--min-cosine: expected a cosine from -1",
        ),
        (["bench", "float32.tflite", "--json", "net.json/x.json"], "net.json: expected a folder to write to"),
        (
            ["bench", "float32.tflite", "--device", "host", "--device", "adb", "--benchmark-model", "none"],
            "none: no such file, expected TFLite's benchmark_model for the phone",
        ),
        (
            ["bench", "net.onnx", "--device", "host", "--device", "adb", "--benchmark-model", "net.json"],
            "net.onnx: expected a .tflite file to time",
        ),
        (["bench", "net.keras"], "net.keras: expected a .tflite or .onnx file to time"),
        (["bench", "float32.tflite", "--threads", "1,x"], "--threads: expected whole numbers of 1 or more"),
        (["bench", "float32.tflite", "--device", "phone"], "--device: expected host, adb or adb:SERIAL"),
        (
            ["bench", "float32.tflite", "--device", "adb"],
            "--benchmark-model: phones need the path of TFLite's",
        ),
        (
            ["bench", "float32.tflite", "--device", "adb", "--benchmark-model", "net.json"],
            "adb: is not installed: phones need Android's platform tools",
        ),
    ],
)
def test_bad_input(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(folder))
    (folder / "bare.keras").write_bytes((folder / "net.keras").read_bytes())
    (folder / "big.tflite").write_bytes((folder / "float32.tflite").read_bytes())
    (folder / "big.json").write_text(json.dumps(Preprocessing((64, 64), 1.0, 0.0, "RGB").to_fields()))
    (folder / "few" / "name_00").mkdir(parents=True, exist_ok=True)
    first = "name_00/name_00_0001.jpg"
    (folder / "sorted.txt").write_text(f"1 {first} {first}\n" * 10 + f"0 {first} {first}\n" * 10)
    (folder / "few" / first).write_bytes((folder / "faces" / first).read_bytes())
    if arguments[0] == "check":
        given = [] if "--images" in arguments else ["--images", "faces"]
        given += [] if "--pairs" in arguments else ["--pairs", "pairs.txt"]
        arguments = [*arguments, *given]
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"fr-export: {message}")
    assert all(line.startswith("embed by") for line in err.splitlines()[:-1])


def test_bench(run: Run, folder: Path, tmp_path: Path) -> None:
    files = [folder / "float32.tflite", folder / "int8.tflite"]
    code, out, err = run("bench", *files, "--threads", "1", "--runs", 5, "--json", tmp_path / "bench.json")
    assert code == 0, err
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["machine"]["cpu"] and {"fr-export", "ai-edge-litert"} <= set(result["versions"])
    timings = result["timings"]
    assert len(timings) == 4 and [t["runs"] for t in timings] == [5] * 4
    latencies = [timing["latency_ms"] for timing in timings]
    assert latencies == sorted(latencies)
    rows = [line.split() for line in out.splitlines() if ".tflite" in line]
    assert [row[0] for row in rows] == [timing["path"] for timing in timings]


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
    (tmp_path / "pairs.txt").write_text("\n".join(["10\t15", *kept]))
    options = [
        "--images",
        lfw,
        "--pairs",
        tmp_path / "pairs.txt",
        "--min-cosine",
        0.9,
        "-o",
        tmp_path / "out",
    ]
    code, out, _ = run("check", tmp_path / "source.onnx", *exports, *options)
    assert code == 0, out
    result = json.loads((tmp_path / "out" / "parity.json").read_text())
    before = result["source"]["accuracy"]["mean"]
    assert before > 0.97
    after = {row["kind"]: row["accuracy"] for row in result["exported"]}
    assert after["float32"]["after"]["mean"] == before
    assert after["int8"]["change"]["value"] == pytest.approx(0, abs=0.01)
    assert np.sign(after["int8"]["change"]["low"]) <= 0 <= np.sign(after["int8"]["change"]["high"])
