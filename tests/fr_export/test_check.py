"""Checks of exported files, from Python and as a command, on made-up patterns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval import embed as embed_module
from fr_eval.embedders import Preprocessing, load_embedder
from fr_eval.provenance import sha256_of
from fr_export import check, cli, to_keras, to_onnx, to_saved_model, to_tflite, wrap
from tensorflow import keras

from tests.commands import Run, runner
from tests.fr_eval.faces import write_faces, write_lfw_pairs, write_onnx
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
    assert "warning" not in out and "fr-export: warning" not in err
    result = json.loads((tmp_path / "parity" / "parity.json").read_text())
    before = result["source"]["accuracy"]
    assert result["inputs"]["images"]["n_images"] == 18 and len(result["inputs"]["images"]["sha256"]) == 64
    assert {"fr-export", "ai-edge-litert", "tensorflow"} <= set(result["versions"])
    rows = {row["file"]: row for row in result["exported"]}
    assert [rows[name.name]["kind"] for name in exports] == ["float32", "float16", "int8"]
    assert [rows[name.name]["sha256"] for name in exports] == [sha256_of(name) for name in exports]
    assert result["inputs"]["source"]["sha256"] == sha256_of(folder / "net.keras")
    assert result["settings"] == {
        "min_cosine": 0.9,
        "fars": [0.1, 0.01, 0.001],
        "draws": 500,
        "confidence": 0.95,
    }
    assert result["source"]["tells_faces_apart"]
    for name in ("float32.tflite", "pixels.tflite"):
        assert rows[name]["accuracy"]["after"]["folds"] == before["folds"]
        assert rows[name]["min_cosine"] > 0.9999
    assert [point["far"] for point in rows["int8.tflite"]["tar_at_far"]] == [0.1, 0.01, 0.001]
    sizes = [row["size_bytes"] for row in result["exported"]]
    assert sizes == sorted(sizes) and all(row["latency_ms"] > 0 for row in result["exported"])
    assert result["source"]["kind"] == "Keras, traced, all cores" and result["source"]["latency_ms"] > 0
    assert result["source"]["size_bytes"] == (folder / "net.keras").stat().st_size
    (first,) = (line for line in out.splitlines() if line.startswith(" net.keras"))
    assert f"{result['source']['latency_ms']:.2f}" in first.split()
    assert (tmp_path / "parity" / "parity.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "parity").iterdir()) == ["parity.json", "parity.png"]


def test_from_python(folder: Path, tmp_path: Path) -> None:
    """As the command, which prints it; an image below the least cosine is no error."""
    seen: list[tuple[int, int, str]] = []
    exports = [folder / "float32.tflite", folder / "other.tflite"]
    result = check(
        folder / "net.keras",
        exports,
        str(folder / "faces"),
        folder / "pairs.txt",
        min_cosine=0.9999,
        output=tmp_path / "out",
        progress=lambda done, total, name="": seen.append((done, total, name)),
    )
    assert not result.passed and not result.warning
    assert {row.path: row.parity.passes(0.9999) for row in result.exported} == dict(
        zip(exports, (True, False), strict=True)
    )
    written = (tmp_path / "out" / "parity.json").read_text()
    assert json.loads(json.dumps(result.to_json())) == json.loads(written)
    assert seen[0] == (0, 54, "net.keras") and seen[-1] == (54, 54, "other.tflite")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    with pytest.raises(InputError, match="exported: expected one or more, got none"):
        check(folder / "net.keras", [], folder / "faces", folder / "pairs.txt")


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


def test_a_fixed_batch(run: Run, folder: Path, tmp_path: Path) -> None:
    """It is compared, though it is not timed."""
    for name, batch in (("one", "batch"), ("eight", 8)):
        write_onnx(tmp_path / f"{name}.onnx", batch)
    files = [tmp_path / "one.onnx", tmp_path / "eight.onnx"]
    code, out, err = run("check", *files, *faces_and_pairs(folder), "-o", tmp_path / "parity")
    assert code == 0 and "eight.onnx: pass" in out
    assert f"fr-export: warning: not timed: {files[1]}: its input is [8, " in err
    (row,) = json.loads((tmp_path / "parity" / "parity.json").read_text())["exported"]
    assert row["latency_ms"] is None


def test_a_source_of_a_fixed_batch(run: Run, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "batch.keras"
    inputs = keras.Input(batch_shape=(8, SIZE, SIZE, 3))
    keras.Model(inputs, small("prelu")(inputs)).save(source)
    (tmp_path / "batch.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    code, _, err = run("check", source, folder / "float32.tflite", *faces_and_pairs(folder))
    assert code == 0 and f"fr-export: warning: not timed: {source}: its input is [8, " in err


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


def test_mirror_images_are_added_to_both(run: Run, folder: Path, tmp_path: Path) -> None:
    """Where a graph sums them itself, in a sidecar's words, beside a file that does not."""
    summed = wrap(folder / "net.keras", flip_sum=True)
    to_tflite(summed, tmp_path / "summed.tflite")
    to_keras(summed, tmp_path / "summed.keras")
    options = [*faces_and_pairs(folder), "--min-cosine", 0.99999]
    exports = [tmp_path / "summed.tflite", folder / "float32.tflite"]
    code, out, err = run("check", folder / "net.keras", *exports, *options, "-o", tmp_path / "parity")
    assert code == 0, out + err
    assert "summed.tflite: pass: cosine to the source over 18 images and their mirror images, summed: " in out
    assert "float32.tflite: pass: cosine to the source over 18 images: min" in out
    result = json.loads((tmp_path / "parity" / "parity.json").read_text())
    rows = {row["file"]: row for row in result["exported"]}
    assert rows["summed.tflite"]["flip_sum"] and not rows["float32.tflite"]["flip_sum"]
    assert not result["source"]["flip_sum"]
    assert result["source"]["accuracy"] == rows["float32.tflite"]["accuracy"]["before"]
    for export in exports:  # by a source that sums them, too
        code, out, err = run("check", tmp_path / "summed.keras", export, *options)
        assert code == 0 and (", summed: " in out) == (export.stem == "float32"), out + err


def test_sidecar_that_contradicts_a_wrapped_model(run: Run, folder: Path, tmp_path: Path) -> None:
    wrap(folder / "net.keras").save(tmp_path / "pixels.keras")
    (tmp_path / "pixels.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    code, out, err = run(
        "check", tmp_path / "pixels.keras", folder / "float32.tflite", *faces_and_pairs(folder)
    )
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "pixels.keras: is wrapped: takes RGB pixels from 0 to 255, expected the preprocessing {" in err


def test_a_file_of_another_size(run: Run, folder: Path, tmp_path: Path) -> None:
    """Before any image is embedded."""
    large = tmp_path / "large.tflite"
    to_tflite(wrap(small(), PREPROCESSING, resize=(48, 40)), large)
    code, out, err = run("check", folder / "net.keras", large, *faces_and_pairs(folder))
    assert (code, out) == (2, "")
    assert "large.tflite: takes images of 48x40 pixels, expected 32x32 as" in err.splitlines()[-1]


def test_fail(run: Run, folder: Path) -> None:
    options = [*faces_and_pairs(folder), "--min-cosine", 0.9999]
    code, out, _ = run("check", folder / "net.keras", folder / "other.tflite", *options)
    assert code == 1 and "other.tflite: FAIL: cosine to the source" in out


def test_warning_about_one_vector(run: Run, folder: Path, tmp_path: Path) -> None:
    files = [folder / "one.keras", folder / "one.keras"]
    code, out, err = run("check", *files, *faces_and_pairs(folder), "-o", tmp_path)
    assert code == 0 and "warning" not in out
    warning = err.splitlines()[-1]
    assert warning.startswith("fr-export: warning: one.keras does not tell faces apart (AUC")
    assert "has it been trained, are" in warning
    assert not json.loads((tmp_path / "parity.json").read_text())["source"]["tells_faces_apart"]


def test_a_source_against_itself(run: Run, folder: Path, tmp_path: Path) -> None:
    """Cosines of 1 and nothing between them: there is a plot nevertheless."""
    code, out, err = run(
        "check", folder / "net.keras", folder / "net.keras", *faces_and_pairs(folder), "-o", tmp_path
    )
    assert code == 0, out + err
    assert json.loads((tmp_path / "parity.json").read_text())["exported"][0]["min_cosine"] > 1 - 1e-9
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")


def test_killed_and_started_again(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is not embedded again, in whatever order and with whatever other files."""
    embedded: Counter[str] = Counter()
    kills = iter([True])

    class Counting:
        def __init__(self, model: Path) -> None:
            self.embedder = load_embedder(model)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.embedder, name)

        def __call__(self, images: np.ndarray) -> np.ndarray:
            if embedded["float32.tflite"] == 5 and next(kills, False):
                raise KeyboardInterrupt
            embedded[self.model.name] += len(images)
            return self.embedder(images)

    monkeypatch.setattr(embed_module, "CHUNK_IMAGES", 5)
    monkeypatch.setattr("fr_export.parity_check.load_embedder", Counting)
    float32, int8 = (folder / f"{name}.tflite" for name in ("float32", "int8"))
    options = [*faces_and_pairs(folder), "--min-cosine", 0.9, "-o", tmp_path]
    assert run("check", folder / "net.keras", float32, *options)[0] == 130
    assert embedded == {"net.keras": 18, "float32.tflite": 5}
    embedded.clear()
    assert run("check", folder / "net.keras", int8, float32, *options)[0] == 0
    assert embedded == {"int8.tflite": 18, "float32.tflite": 13}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parity.json", "parity.png"]


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


def test_few_false_accepts_are_flagged(run: Run, folder: Path, tmp_path: Path) -> None:
    """Six impostor pairs: of none accepted, the rule of three allows half; none shows a FAR of 0.1."""
    files = [folder / "net.keras", folder / "net.keras"]
    code, out, _ = run("check", *files, *faces_and_pairs(folder), "-o", tmp_path)
    assert code == 0
    line = next(line for line in out.splitlines() if "TAR at FAR 0.001" in line)
    assert line.split()[4:9] == ["-"] * 5
    assert "0 of 6: <" in line and "5.0e-01" in out and "unclear" in line
    assert "- not measurable: one of 6 impostor pairs is a FAR of 1.7e-01" in out.splitlines()
    (row,) = json.loads((tmp_path / "parity.json").read_text())["exported"]
    for point in row["tar_at_far"]:
        assert point["before"]["tar"] is point["after"]["tar"] is point["tar_change"] is None
        assert point["at_source_threshold"]["n_impostor"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.keras", "float32.tflite"], "none.keras: no such file"),
        (
            ["bare.keras", "float32.tflite"],
            "bare.keras: its preprocessing is unknown: write bare.json beside it",
        ),
        (["net.keras", "big.tflite"], "big.tflite: its input has shape [1, 32, 32, 3]"),
        (
            ["net.keras", "float32.tflite", "--images", "few"],
            "few: 17 images are missing: name_00/name_00_0002.jpg, ",
        ),
        (
            ["none.keras", "none.tflite", "--pairs", "sorted.txt"],
            "sorted.txt: fold 1 of 10 holds genuine pairs only, expected both",
        ),
        (
            ["net.keras", "float32.tflite", "-o", "net.json"],
            "net.json: expected a folder to write to: File exists",
        ),
        (
            ["net.keras", "float32.tflite", "--min-cosine", "2"],
            "--min-cosine: expected a cosine from -1",
        ),
    ],
)
def test_bad_input(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "bare.keras").write_bytes((folder / "net.keras").read_bytes())
    (folder / "big.tflite").write_bytes((folder / "float32.tflite").read_bytes())
    (folder / "big.json").write_text(json.dumps(Preprocessing((64, 64), 1.0, 0.0, "RGB").to_fields()))
    (folder / "few" / "name_00").mkdir(parents=True, exist_ok=True)
    first = "name_00/name_00_0001.jpg"
    (folder / "sorted.txt").write_text(f"1 {first} {first}\n" * 10 + f"0 {first} {first}\n" * 10)
    (folder / "few" / first).write_bytes((folder / "faces" / first).read_bytes())
    given = [] if "--images" in arguments else ["--images", "faces"]
    given += [] if "--pairs" in arguments else ["--pairs", "pairs.txt"]
    code, out, err = run("check", *arguments, *given)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"fr-export: {message}") and "--size" not in last
    assert all(line.startswith("embed: ") for line in err.splitlines()[:-1])
