"""Grids of models that a package of the entry point group builds: rows, files, what a killed run keeps."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from fr_eval import InputError
from fr_export import cli
from fr_export.sweep import sweep

from tests.commands import Run, runner

BUILDER = """
import tensorflow as tf
from tests.fr_export.networks import PREPROCESSING, small

built = []

def list_models():
    return ["small", "tiny"]

def list_heads():
    return ["E", "GDC", "none"]

def build(name, head, embedding_dim, pointwise):
    if head == "none":
        raise ValueError("head none: embedding_dim cannot be chosen")
    if embedding_dim == 13:
        raise KeyboardInterrupt
    if embedding_dim == 14:
        raise MemoryError
    if embedding_dim == 15:
        raise tf.errors.InvalidArgumentError(None, None, "shape of 2^64\\nsecond line")
    built.append((name, head, embedding_dim, pointwise))
    return small("relu" if name == "small" else "relu6", embedding_dim), PREPROCESSING
"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Install a package that builds small models, and return what it has built."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "small_models.py").write_text(BUILDER)
    info = tmp_path / "site" / "small_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fr_export.model_builders]\nsmall = small_models\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "small_models", raising=False)
    import small_models

    return small_models.built


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-export", cli.main, monkeypatch, capsys)


class Killed(BaseException):
    """The end of the process."""


def test_killed_and_started_again(tmp_path: Path, built: list[Any]) -> None:
    def until_the_third(done: int, total: int, name: str) -> None:
        assert (total == 4 and name.startswith(("small_", "tiny_"))) or done == 4
        if done == 2:
            raise Killed

    grid: dict[str, Any] = {"dims": (16, 24), "kinds": ("float32", "dynamic"), "runs": 3, "threads": (1,)}
    with pytest.raises(Killed):
        sweep(["small", "tiny"], tmp_path / "out", progress=until_the_third, **grid)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()}
    assert len(kept) == len(built) == 2
    rows = sweep(["small", "tiny"], tmp_path / "out", **grid)
    assert built == [(name, "GDC", dim, False) for name in ("small", "tiny") for dim in (16, 24)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(rows) == 4 * 2 and [row.median_ms for row in rows] == sorted(row.median_ms for row in rows)
    assert sweep(["small", "tiny"], tmp_path / "out", **grid) == rows and len(built) == 4
    for row in rows:
        file = tmp_path / "out" / "models" / f"{row.setting.stem}_{row.kind}.tflite"
        assert file.stat().st_size == row.size_bytes
        assert file.with_suffix(".json").is_file()


def test_command(tmp_path: Path, built: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["sweep", "small", "--heads", "E", "--pointwise", "0,1", "--dims", "16", "--runs", "3"]
    monkeypatch.setattr(sys, "argv", ["fr-export", *arguments, "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert [(head, pointwise) for _, head, _, pointwise in built] == [
        ("E", False),
        ("E", True),
    ]
    with (tmp_path / "out" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["head"], row["pointwise"]) for row in rows) == [
        ("E", "no"),
        ("E", "yes"),
    ]
    assert {row["kind"] for row in rows} == {"float16"}
    for row in rows:
        suffix = "_pointwise" if row["pointwise"] == "yes" else ""
        file = tmp_path / "out" / "models" / f"small_E_16{suffix}_float16.tflite"
        assert int(row["size_bytes"]) == file.stat().st_size
    latencies = [float(row["median_ms"]) for row in rows]
    assert latencies == sorted(latencies)
    table = (tmp_path / "out" / "sweep.md").read_text().splitlines()
    assert len(table) == 2 + len(rows) and {line.count("|") for line in table} == {len(rows[0]) + 1}
    assert (tmp_path / "out" / "sweep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["smal"], {}, "model: there is no 'smal'; did you mean small?"),
        (["nosuch"], {}, "model: there is no 'nosuch'; 'fr-models list' names those of fr-models"),
        (["small"], {"heads": ["E", "GCD"]}, "head: there is no 'GCD'; did you mean GDC?"),
        (
            ["small"],
            {"kinds": ["int4"]},
            "kinds: expected float32, dynamic, float16, int8, int16x8, got 'int4'",
        ),
        ([], {}, "names: expected one or more, got none"),
        (["small"], {"heads": []}, "heads: expected one or more, got none"),
        (["small"], {"kinds": []}, "kinds: expected one or more, got none"),
        (["small"], {"pointwise": []}, "pointwise: expected one or more, got none"),
        (["small"], {"dims": [0]}, "dims: expected 1 or more, got 0"),
        (["small"], {"heads": ["none"]}, "small_none_512: head none: embedding_dim cannot be chosen"),
    ],
)
def test_bad_input(
    tmp_path: Path, built: list[Any], names: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        sweep(names, tmp_path / "out", **options)
    assert str(error.value) == message and not built


def test_damaged_row(tmp_path: Path, built: list[Any]) -> None:
    (tmp_path / "out" / "rows").mkdir(parents=True)
    (tmp_path / "out" / "rows" / "small_GDC_512.json").write_text('{"conditions":')
    with pytest.raises(InputError, match=r"small_GDC_512.json: damaged; delete it to measure it again"):
        sweep(["small"], tmp_path / "out")


@pytest.mark.parametrize("change", [{"parameters": "many"}, {"p95_ms": 1.0}, {"kind": None}, None])
def test_row_of_other_fields(tmp_path: Path, built: list[Any], change: dict[str, Any] | None) -> None:
    """Of the same conditions, but not what this version writes."""
    sweep(["tiny"], tmp_path / "out", dims=[8], runs=2)
    path = tmp_path / "out" / "rows" / "tiny_GDC_8.json"
    kept = json.loads(path.read_text())
    kept["figures"] = None if change is None else [{**kept["figures"][0], **change}]
    path.write_text(json.dumps(kept))
    with pytest.raises(InputError, match=r"tiny_GDC_8.json: damaged; delete it to measure it again"):
        sweep(["tiny"], tmp_path / "out", dims=[8], runs=2)


@pytest.mark.parametrize("changed", ["machine", "versions"])
def test_figures_of_other_code_or_another_processor(
    tmp_path: Path, built: list[Any], monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    sweep(["tiny"], tmp_path / "out", dims=[8], runs=2)
    conditions = json.loads((tmp_path / "out" / "rows" / "tiny_GDC_8.json").read_text())["conditions"]
    assert conditions["machine"]["cpu"] and conditions["machine"]["cores"] >= 1
    named = {"ai-edge-litert", "keras", "small-models", "tensorflow"}
    assert named <= conditions["versions"].keys() and "onnxruntime" not in conditions["versions"]
    assert conditions["versions"]["small-models"] == "1.0"
    sweep(["tiny"], tmp_path / "out", dims=[8], runs=2)
    assert len(built) == 1
    monkeypatch.setattr(f"fr_export.sweep.{changed}", lambda *_: {**conditions[changed], "odd": "new"})
    with pytest.raises(InputError, match=r"out: holds a sweep of other settings: odd none, not new: give"):
        sweep(["tiny"], tmp_path / "out", dims=[8], runs=2)
    assert len(built) == 1


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("sweep.md", "sweep.csv", "sweep.png")}


def test_tables_of_other_settings_stay(tmp_path: Path, built: list[Any], run: Run) -> None:
    arguments = ["sweep", "tiny", "small", "--dims", "8", "-o", tmp_path / "out"]
    assert run(*arguments, "--runs", 2)[0] == 0
    kept = tables(tmp_path / "out")
    code, out, err = run(*arguments, "--runs", 3, "--kinds", "float32,float16")
    others = "kinds float16, not float32,float16; runs 2, not 3"
    assert (code, out) == (2, "") and err.splitlines()[-1] == (
        f"fr-export: {tmp_path / 'out'}: holds a sweep of other settings: {others}: give another folder, or "
        "delete this one to measure anew"
    )
    assert tables(tmp_path / "out") == kept and len(built) == 2


def test_tables_hold_all_rows_of_the_folder(tmp_path: Path, built: list[Any], run: Run) -> None:
    """A part of the grid, asked for again, or another part leaves the rows of the rest there."""
    arguments = ["--runs", 2, "-o", tmp_path / "out"]
    assert run("sweep", "tiny", "small", "--dims", "8", *arguments)[0] == 0
    kept = tables(tmp_path / "out")
    code, out, _ = run("sweep", "tiny", "--dims", "8", *arguments)
    assert code == 0 and "tiny" in out and "small" not in out
    assert tables(tmp_path / "out")["sweep.csv"] == kept["sweep.csv"]
    assert run("sweep", "tiny", "--dims", "16", *arguments)[0] == 0 and len(built) == 3
    with (tmp_path / "out" / "sweep.csv").open() as file:
        found = sorted((row["model"], row["dim"]) for row in csv.DictReader(file))
    assert found == [("small", "8"), ("tiny", "16"), ("tiny", "8")]


def test_rows_of_earlier_runs_are_told_once(tmp_path: Path, built: list[Any]) -> None:
    told: list[int] = []
    for dims in ([8, 16], [8, 16, 24]):
        sweep(["tiny"], tmp_path / "out", dims=dims, runs=1, measured=lambda rows: told.append(len(rows)))
    assert told == [1, 2, 2, 3]


def test_a_row_that_fails(tmp_path: Path, built: list[Any], run: Run) -> None:
    """The others are measured and tabled; the failure is told, with an exit code of its own."""
    arguments = ["sweep", "small", "--heads", "none,E", "--dims", "16", "--runs", 2, "-o", tmp_path / "out"]
    code, out, err = run(*arguments)
    assert code == 1 and "small" in out
    failure = "fr-export: small_none_16: head none: embedding_dim cannot be chosen"
    assert [line for line in err.splitlines() if not line.startswith("sweep:")] == [failure]
    table = (tmp_path / "out" / "sweep.md").read_text()
    assert "| E |" in table and "| none |" not in table
    code, out, err = run("sweep", "small", "--heads", "none", "-o", tmp_path / "none")
    assert (code, out) == (2, "") and err.splitlines()[-1].startswith("fr-export: small_none_512: head none")


def test_models_that_are_too_large(tmp_path: Path, built: list[Any], run: Run) -> None:
    """The first for whoever allocates 8 TB: a line each, and the others are measured."""
    dims = ["--dims", "1000000000,14,15,16", "--runs", 2]
    code, out, err = run("sweep", "small", *dims, "-o", tmp_path / "out")
    lines = [line for line in err.splitlines() if line.startswith("fr-export: ")]
    assert code == 1 and "small" in out and "| 16 |" in (tmp_path / "out" / "sweep.md").read_text()
    assert lines[0].startswith("fr-export: small_GDC_1000000000: not enough memory: "), err
    assert lines[1:] == [
        "fr-export: small_GDC_14: not enough memory: MemoryError",
        "fr-export: small_GDC_15: TensorFlow cannot build it: shape of 2^64",
    ]


def test_interrupted(tmp_path: Path, built: list[Any], run: Run) -> None:
    """Tables are there of what was measured until then, and the next run goes on."""
    arguments = ["sweep", "tiny", "--runs", 2, "-o", tmp_path / "out", "--dims"]
    code, _, err = run(*arguments, "8,13")
    assert code == 130 and err.splitlines()[-1] == "fr-export: interrupted"
    for name in ("sweep.md", "sweep.csv"):
        assert "tiny" in (tmp_path / "out" / name).read_text()
    assert (tmp_path / "out" / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert run(*arguments, "8,16")[0] == 0
    assert [dim for *_, dim, _ in built] == [8, 16]


def test_no_package_that_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's fr-models is another project: nobody is told to install it."""
    monkeypatch.setattr("fr_export._builders.entry_points", lambda group: [])
    with pytest.raises(InputError, match=r"no installed package builds models: expected one") as error:
        sweep(["small"], tmp_path / "out")
    assert "pip" not in str(error.value)


def test_rows_are_json(tmp_path: Path, built: list[Any]) -> None:
    """int8, too, of random weights: batch normalisation has seen images."""
    sweep(["tiny"], tmp_path / "out", dims=[8], runs=2, kinds=["int8"])
    kept = json.loads((tmp_path / "out" / "rows" / "tiny_GDC_8.json").read_text())
    assert kept["conditions"]["runs"] == 2 and kept["figures"][0]["parameters"] > 0
    assert built == [("tiny", "GDC", 8, False)]
