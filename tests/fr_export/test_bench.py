"""Timings of files on this host, also as a command: what is told of them, not how fast they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fr_eval.errors import InputError
from fr_eval.provenance import sha256_of
from fr_export import KINDS, cli, to_tflite, wrap
from fr_export._files import size_of
from fr_export.bench import bench, by_latency, kind_of
from fr_export.formats import FormatRow, SourceRow, smaller_but_slower

from tests.commands import Run, runner
from tests.fr_eval.faces import write_external_onnx, write_onnx
from tests.fr_export.networks import PREPROCESSING, SIZE, faces, small, write_doubling


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    network, crops = small("prelu"), faces(8)
    made = {
        kind: to_tflite(network, folder / f"{kind}.tflite", kind, PREPROCESSING, crops).path for kind in KINDS
    }
    codes = to_tflite(network, folder / "uint8.tflite", "int8", PREPROCESSING, crops, io="uint8")
    mixed = to_tflite(network, folder / "mixed.tflite", "int8", PREPROCESSING, crops, float_head=True)
    wrapped = wrap(network, PREPROCESSING, uint8_input=True, resize="dynamic", output_dtype="int8")
    write_onnx(folder / "net.onnx")
    return {
        **made,
        "uint8": codes.path,
        "mixed": mixed.path,
        "wrapped": to_tflite(wrapped, folder / "wrapped.tflite").path,
        "onnx": folder / "net.onnx",
    }


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-export", cli.main, monkeypatch, capsys)


def test_kinds_are_read_from_the_file(files: dict[str, Path]) -> None:
    kinds = {name: kind_of(path) for name, path in files.items()}
    others = {"uint8": "int8", "mixed": "int8", "wrapped": "float32", "onnx": "onnx"}
    assert kinds == {**{kind: kind for kind in KINDS}, **others}


def test_bench(files: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    timings = bench(list(files.values()), (1, 2), 7, (True, False), lambda *step: seen.append(step))
    assert len(timings) == (len(files) - 1) * 4 + 2  # onnxruntime has no XNNPACK to switch here
    assert {timing.runs for timing in timings} == {7}
    assert seen == [(1, 2), (2, 2)]
    assert timings == by_latency(timings)
    for timing in timings:
        assert timing.median_ms is not None and timing.p90_ms is not None
        assert 0 < timing.min_ms <= timing.median_ms <= timing.p90_ms
        assert timing.size_bytes == timing.path.stat().st_size
    runtimes = {timing.runtime for timing in timings}
    assert runtimes == {"LiteRT, XNNPACK", "LiteRT", "onnxruntime"}
    assert json.loads(json.dumps(timings[0].to_json()))["path"] == timings[0].path.name


def test_bad_input(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"nonsense")
    (tmp_path / "free.tflite").write_bytes(files["wrapped"].read_bytes())
    for models, message in (
        (["none.tflite"], "none.tflite: no such file"),
        (["net.keras"], r"net.keras: expected a .tflite or .onnx file to time"),
        ([tmp_path / "bad.tflite"], "LiteRT cannot load it"),
        ([tmp_path / "free.tflite"], "has a free size: write free.json beside it"),
    ):
        with pytest.raises(InputError, match=message):
            bench(models)
    with pytest.raises(InputError, match="threads: expected 1 or more, got 0"):
        bench([files["onnx"]], threads=(0,))
    with pytest.raises(InputError, match=r"threads: expected 1 to 1,024, got 3000000000"):
        bench([files["onnx"]], threads=(1, 3_000_000_000))
    with pytest.raises(InputError, match="runs: expected 1 or more, got 0"):
        bench([files["onnx"]], runs=0)


def test_a_file_that_fails(tmp_path: Path, files: dict[str, Path]) -> None:
    """It is told of, and the others are timed."""
    (tmp_path / "bad.tflite").write_bytes(b"nonsense")
    failures: list[str] = []
    models = [tmp_path / "bad.tflite", files["float32"]]
    timings = bench(models, runs=1, failed=lambda error: failures.append(str(error)))
    assert [timing.path for timing in timings] == [files["float32"]]
    assert len(failures) == 1 and "bad.tflite: LiteRT cannot load it" in failures[0]
    assert bench(models[:1], runs=1, failed=lambda error: None) == []


def test_external_data(tmp_path: Path) -> None:
    """Weights beside an ONNX file are of its size."""
    path = tmp_path / "net.onnx"
    weights = write_external_onnx(path)
    (timing,) = bench([path], runs=1)
    assert timing.size_bytes == path.stat().st_size + weights.stat().st_size
    weights.unlink()
    with pytest.raises(InputError, match=r"net.onnx: its weights are in shift.data, expected beside it"):
        size_of(path)


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_a_batch_of_several_images(tmp_path: Path, suffix: str) -> None:
    """Its time is not that of one image."""
    path = tmp_path / f"net.{suffix}"
    if suffix == "onnx":
        write_onnx(path, batch=8)
    else:
        write_doubling(path, (8, SIZE, SIZE, 3))
    with pytest.raises(InputError, match=rf"net.{suffix}: its input is \[8, .*\], expected one image, or a"):
        bench([path])


def test_command(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    paths = [files["float32"], files["int8"]]
    code, out, err = run("bench", *paths, "--threads", "1", "--runs", 5, "--json", tmp_path / "bench.json")
    assert code == 0, err
    result = json.loads((tmp_path / "bench.json").read_text())
    assert result["machine"]["cpu"] and {"fr-export", "ai-edge-litert"} <= set(result["versions"])
    timings = result["timings"]
    assert {name: told["sha256"] for name, told in result["inputs"].items()} == {
        path.name: sha256_of(path) for path in paths
    }
    assert len(timings) == 4 and [t["runs"] for t in timings] == [5] * 4
    latencies = [timing["latency_ms"] for timing in timings]
    assert latencies == sorted(latencies)
    rows = [line.split() for line in out.splitlines() if ".tflite" in line]
    assert [row[0] for row in rows] == [timing["path"] for timing in timings]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["float32.tflite", "--json", "net.json/x.json"], "net.json/x.json: cannot be written: net.json is"),
        (["none.tflite", "--json", "new/x.json"], "none.tflite: no such file"),
        (
            ["float32.tflite", "--device", "host", "--device", "adb", "--benchmark-model", "none"],
            "none: no such file, expected TFLite's benchmark_model for the phone",
        ),
        (
            ["net.onnx", "--device", "host", "--device", "adb", "--benchmark-model", "net.json"],
            "net.onnx: expected a .tflite file to time",
        ),
        (["net.keras"], "net.keras: expected a .tflite or .onnx file to time"),
        (["float32.tflite", "--threads", "1,x"], "--threads: expected whole numbers of 1 or more"),
        (["float32.tflite", "--device", "phone"], "--device: expected host, adb or adb:SERIAL"),
        (["float32.tflite", "--device", "adb"], "--benchmark-model: phones need the path of TFLite's"),
        (
            ["float32.tflite", "--device", "adb", "--benchmark-model", "net.json"],
            "adb: is not installed: phones need Android's platform tools",
        ),
    ],
)
def test_bad_options(
    run: Run, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    folder = files["onnx"].parent
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(folder))
    code, out, err = run("bench", *arguments)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith(f"fr-export: {message}")
    assert not Path("new").exists()


def test_smaller_but_slower() -> None:
    """Of three files the smallest is the slowest, and the note names the fastest, which the source may be."""
    from fr_eval.protocols import PairList

    from tests.fr_export.test_parity import DIM, N_IMAGES, N_PERSONS, compared  # any parity will do

    rows = np.random.default_rng(0).normal(size=(N_PERSONS * N_IMAGES, DIM)).astype(np.float32)
    names = [f"{row}.jpg" for row in range(len(rows))]
    same = np.arange(len(rows) - 1) % 2 == 0
    parity = compared(PairList(tuple(names[:-1]), tuple(names[1:]), same), rows, rows)
    table = [
        FormatRow(kind, size, latency, replace(parity, path=Path(f"{kind}.tflite")))
        for kind, size, latency in (
            ("int8", 1_000_000, 9.0),
            ("float16", 2_000_000, 3.0),
            ("float32", 4_000_000, 2.9),  # within 5 % of float16
            ("onnx", 4_100_000, None),
        )
    ]
    untimed = SourceRow(Path("net"), "saved_model", 5_000_000, None, False, parity.before)
    assert smaller_but_slower(untimed, table) == [
        "int8.tflite (int8) is smaller than float32.tflite (float32) but slower: 1.00 and 4.00 MB, "
        "9.00 and 2.90 ms"
    ]
    traced = "Keras, traced, all cores"
    source = replace(untimed, path=Path("net.keras"), kind=traced, latency_ms=2.0)
    notes = smaller_but_slower(source, table)
    assert len(notes) == 3 and notes[0] == (
        "int8.tflite (int8) is smaller than net.keras (Keras, traced, all cores) but slower: 1.00 and "
        "5.00 MB, 9.00 and 2.00 ms"
    )
