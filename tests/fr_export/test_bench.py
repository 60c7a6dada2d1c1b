"""Timings of files on this host: what is told of them, not how fast they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError
from fr_export import KINDS, to_tflite, wrap
from fr_export.bench import bench, by_latency, kind_of
from fr_export.formats import Format, smaller_but_slower

from tests.fr_eval.faces import write_onnx
from tests.fr_export.networks import PREPROCESSING, faces, small


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    network, crops = small("prelu"), faces(8)
    made = {
        kind: to_tflite(network, folder / f"{kind}.tflite", kind, PREPROCESSING, crops).path for kind in KINDS
    }
    codes = to_tflite(network, folder / "uint8.tflite", "int8", PREPROCESSING, crops, io="uint8")
    wrapped = wrap(network, PREPROCESSING, uint8_input=True, resize="dynamic", output_dtype="int8")
    write_onnx(folder / "net.onnx")
    return {
        **made,
        "uint8": codes.path,
        "wrapped": to_tflite(wrapped, folder / "wrapped.tflite").path,
        "onnx": folder / "net.onnx",
    }


def test_kinds_are_read_from_the_file(files: dict[str, Path]) -> None:
    kinds = {name: kind_of(path) for name, path in files.items()}
    assert kinds == {**{kind: kind for kind in KINDS}, "uint8": "int8", "wrapped": "float32", "onnx": "onnx"}


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
    with pytest.raises(InputError, match="runs: expected 1 or more, got 0"):
        bench([files["onnx"]], runs=0)


def test_smaller_but_slower() -> None:
    """Of three files the smallest is the slowest, and the note names the fastest."""
    from fr_eval.protocols import PairList

    from tests.fr_export.test_parity import DIM, N_IMAGES, N_PERSONS, compared  # any parity will do

    rows = np.random.default_rng(0).normal(size=(N_PERSONS * N_IMAGES, DIM)).astype(np.float32)
    names = [f"{row}.jpg" for row in range(len(rows))]
    same = np.arange(len(rows) - 1) % 2 == 0
    parity = compared(PairList(tuple(names[:-1]), tuple(names[1:]), same), rows, rows)
    table = [
        Format(kind, size, latency, replace(parity, path=Path(f"{kind}.tflite")))
        for kind, size, latency in (
            ("int8", 1_000_000, 9.0),
            ("float16", 2_000_000, 3.0),
            ("float32", 4_000_000, 2.9),  # within 5 % of float16
            ("onnx", 4_100_000, None),
        )
    ]
    assert smaller_but_slower(table) == [
        "int8.tflite (int8) is smaller than float32.tflite (float32) but slower: 1.00 and 4.00 MB, "
        "9.00 and 2.90 ms"
    ]
