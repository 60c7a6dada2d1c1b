"""Phones, played by `fake_adb`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError
from fr_export import adb as adb_module
from fr_export import cli
from fr_export.adb import FOLDER, Phone, bench_on_phones, phones
from fr_export.bench import Timing

from tests.commands import runner
from tests.fr_export import fake_adb
from tests.fr_export.fake_adb import answers, says
from tests.fr_export.networks import write_doubling
from tests.fr_export.recorded import RECORDED


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "platform-tools"
    fake_adb.install(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A real file, since its kind is read from it."""
    write_doubling(tmp_path / "net.tflite", (1, 4))
    (tmp_path / "benchmark_model").write_bytes(b"\x7fELF")
    return tmp_path / "net.tflite"


def test_a_phone_of_no_times(adb: Path, model: Path) -> None:
    """A line for it, and what follows goes on."""
    answers(adb, RECORDED["one run"].replace("curr=3512391", "curr=nan"))
    failures: list[str] = []
    program = model.parent / "benchmark_model"
    found = bench_on_phones(phones(), [model], program, failed=lambda error: failures.append(str(error)))
    assert found == [] and failures == [
        "adb:one: benchmark_model on net.tflite: expected times in microseconds, got 'count=1 curr=nan'"
    ]


def test_bench_on_phones(adb: Path, model: Path) -> None:
    says(adb, "one\tdevice", "two\tdevice")
    chosen = phones()
    assert [str(phone) for phone in chosen] == ["Pixel e (one)", "Pixel o (two)"]
    steps: list[tuple[int, int]] = []
    program = model.parent / "benchmark_model"
    timings = bench_on_phones(
        chosen, [model], program, (1, 4), 25, (True, False), lambda *step: steps.append(step)
    )
    assert len(timings) == 8 and steps[-1] == (8, 8)
    assert {(t.device, t.threads, t.runtime) for t in timings} == {
        (str(phone), threads, runtime)
        for phone in chosen
        for threads in (1, 4)
        for runtime in ("LiteRT, XNNPACK", "LiteRT")
    }
    timing = timings[0]
    assert (timing.median_ms, timing.mean_ms, timing.min_ms, timing.runs) == (141.253, 145.528, 140.071, 25)
    assert timing.latency_ms == 141.253 and timing.kind == "float32"
    calls = (adb / "log").read_text().splitlines()
    runs = [call for call in calls if "--graph" in call]
    assert "--num_threads=4 --num_runs=25 --use_xnnpack=false" in runs[3]
    assert sum(" push " in call for call in calls) == 4
    assert not list((adb / "one" / "data" / "local" / "tmp").iterdir())  # nothing is left on the phone


def test_command(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One phone of three crashes on four threads, one is unplugged: what is timed is shown, the rest told."""
    says(adb, "one\tdevice", "two\tdevice", "six\tdevice")
    for serial, fault in (("two", "crashes"), ("six", "unplugged")):
        (adb / serial).mkdir()
        (adb / serial / fault).touch()
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    options = ["--device", "adb", "--benchmark-model", model.parent / "benchmark_model", "--threads", "1,4"]
    report = model.parent / "bench.json"
    code, out, err = run("bench", model, *options, "--runs", 25, "--xnnpack", "--json", report)
    assert code == 1
    steps = [line for line in err.splitlines() if line.startswith("bench on phones")]
    assert steps[-1] == "bench on phones: 6 of 6"  # with those of the phone that is unplugged
    failures = [line for line in err.splitlines() if not line.startswith("bench on phones")]
    assert [line.partition(" (exit")[0] for line in failures] == [
        "fr-export: adb:two: benchmark_model failed on net.tflite",
        f"fr-export: adb:six: 'mkdir -p {FOLDER}-{os.getpid()}' failed: adb: device 'six' not found",
    ]
    told = json.loads(report.read_text())
    assert [f"fr-export: {line}" for line in told["failures"]] == failures
    rows = sorted((row["device"], row["threads"], row["median_ms"]) for row in told["timings"])
    assert rows == [
        ("Pixel e (one)", 1, 141.253),
        ("Pixel e (one)", 4, 141.253),
        ("Pixel o (two)", 1, 141.253),
    ]
    assert out.count("net.tflite") == 3
    assert not list((adb / "two" / "data" / "local" / "tmp").iterdir())


def test_interrupted(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was timed on this host and on the phones before is in the file."""
    says(adb, "one\tdevice", "two\tdevice")
    timed = adb_module._timed

    def interrupted(phone: Phone, *options: Any) -> Timing:
        if phone.serial == "two":
            raise KeyboardInterrupt
        return timed(phone, *options)

    monkeypatch.setattr(adb_module, "_timed", interrupted)
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    options = ["--device", "host", "--device", "adb", "--benchmark-model", model.parent / "benchmark_model"]
    options += ["--threads", 1, "--runs", 1, "--xnnpack", "--json", model.parent / "bench.json"]
    assert run("bench", model, *options)[0] == 130
    told = json.loads((model.parent / "bench.json").read_text())
    assert {row["device"] for row in told["timings"]} == {"host", "Pixel e (one)"}


def test_a_file_that_fails_on_this_host(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = model.with_name("bad.tflite")
    bad.write_bytes(b"nonsense")
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    report = model.parent / "bench.json"
    code, out, err = run("bench", bad, model, "--threads", 1, "--runs", 1, "--json", report)
    assert code == 1 and out.count("net.tflite") == 2
    assert err.splitlines()[-1].startswith(f"fr-export: {bad}: LiteRT cannot load it")
    told = json.loads(report.read_text())
    assert {row["path"] for row in told["timings"]} == {"net.tflite"} and len(told["failures"]) == 1


def test_command_without_any_timing(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (adb / "full").touch()
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    options = ["--device", "adb:one", "--benchmark-model", model.parent / "benchmark_model"]
    code, out, err = run("bench", model, *options)
    assert (code, out) == (2, "")
    step, failure = err.splitlines()
    assert step == "bench on phones: 4 of 4"
    assert failure.startswith("fr-export: adb:one: cannot push benchmark_model: ")


def test_a_build_without_xnnpack(adb: Path, model: Path) -> None:
    """It says that it ignores the option; its figures are those of LiteRT's own kernels."""
    ignored = RECORDED["ignored flags"].replace("--allow_fp16", "--use_xnnpack=true")
    for output, runtime in ((ignored, "LiteRT"), (RECORDED["ignored flags"], "LiteRT, XNNPACK")):
        answers(adb, output)
        (timing,) = bench_on_phones(phones(), [model], model.parent / "benchmark_model")
        assert timing.runtime == runtime


def test_a_phone_that_no_longer_answers(adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong first is told, and not that nothing could be removed afterwards."""
    ask = adb_module._adb

    def silent(*arguments: str, seconds: float) -> object:
        if "push" in arguments or arguments[-1].startswith("rm -rf"):
            raise InputError(f"adb: no answer to '{' '.join(arguments)}'")
        return ask(*arguments, seconds=seconds)

    monkeypatch.setattr(adb_module, "_adb", silent)
    with pytest.raises(InputError, match="adb: no answer to '-s one push "):
        bench_on_phones(phones(), [model], model.parent / "benchmark_model")


def test_mean_where_there_is_no_median(adb: Path, model: Path) -> None:
    answers(adb, RECORDED["before percentiles"])
    (timing,) = bench_on_phones(phones(["one"]), [model], model.parent / "benchmark_model")
    assert timing.median_ms is None and timing.latency_ms == np.float64(33.2094)


@pytest.mark.parametrize(
    ("states", "serials", "message"),
    [
        ((), (), "adb: no phone is connected"),
        ((), ("one",), "adb:one: is not connected; adb sees no phone"),
        (("one\tdevice",), ("two",), "adb:two: is not connected; adb sees one"),
        (("one\tunauthorized",), (), "adb:one: is unauthorized: accept this computer's key on its screen"),
        (("one\tdevice", "two\toffline"), (), "adb:two: is offline: plug it in again"),
        (
            ("one\tno permissions (user in plugdev group); see [http://developer.android.com]",),
            (),
            r"adb:one: is no permissions \(.*: this user may not use its USB port",
        ),
    ],
)
def test_phones_that_are_not_ready(
    adb: Path, states: tuple[str, ...], serials: tuple[str, ...], message: str
) -> None:
    says(adb, *states)
    with pytest.raises(InputError, match=message):
        phones(serials)


def test_phones_that_are_not_ready_are_skipped(adb: Path) -> None:
    """An error if they are all, or the very ones that were asked for."""
    says(adb, "one\tdevice", "two\toffline", "six\tunauthorized")
    lines: list[str] = []
    assert phones(skipped=lambda error: lines.append(str(error))) == [Phone("one", "Pixel e")]
    advice = ("plug it in again, or run 'adb reconnect'", "accept this computer's key on its screen")
    wanted = [f"adb:two: is offline: {advice[0]}", f"adb:six: is unauthorized: {advice[1]}"]
    assert lines == wanted
    with pytest.raises(InputError, match=r"^adb:two: is offline"):
        phones(["one", "two"], skipped=lambda error: lines.append(str(error)))
    says(adb, "two\toffline", "six\tunauthorized")
    with pytest.raises(InputError) as error:
        phones(skipped=lambda error: lines.append(str(error)))
    assert str(error.value) == "; ".join(wanted) and lines == wanted


def test_command_skips_an_offline_phone(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says(adb, "one\tdevice", "two\toffline")
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    options = ["--device", "adb", "--benchmark-model", model.parent / "benchmark_model", "--threads", "1"]
    report = model.parent / "bench.json"
    code, out, err = run("bench", model, *options, "--json", report)
    assert code == 0 and out.count("Pixel e") == 2
    skipped = "adb:two: is offline: plug it in again, or run 'adb reconnect'"
    assert err.splitlines()[0] == f"fr-export: warning: skipped: {skipped}"
    assert json.loads(report.read_text())["skipped"] == [skipped]


def test_an_offline_phone_beside_the_chosen_one(adb: Path) -> None:
    says(adb, "one\tdevice", "two\toffline")
    assert phones(["one"]) == [Phone("one", "Pixel e")]


def test_no_adb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="adb: is not installed: phones need Android's platform tools"):
        phones()


def test_no_space(adb: Path, model: Path) -> None:
    (adb / "full").touch()
    with pytest.raises(InputError, match=r"adb:one: cannot push benchmark_model: .*No space left on device"):
        bench_on_phones(phones(), [model], model.parent / "benchmark_model")


@pytest.mark.parametrize(("code", "last"), [(139, "Segmentation fault"), (0, "Aborted"), (1, "Initialized")])
def test_crash(adb: Path, model: Path, code: int, last: str) -> None:
    started = RECORDED["before percentiles"].partition("Running benchmark")[0]
    answers(adb, f"{started}{last}\n", code)
    message = rf"adb:one: benchmark_model failed on net.tflite \(exit code {code}\): {last}"
    with pytest.raises(InputError, match=message):
        bench_on_phones(phones(), [model], model.parent / "benchmark_model")
    assert not list((adb / "one" / "data" / "local" / "tmp").iterdir())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 4, 4, 3), "its input is [8, 4, 4, 3], expected one image, or a free batch, to time"),
        ((1, None, None, 3), "its input [1, None, None, 3] has a free size, expected a fixed one to time on"),
    ],
)
def test_files_that_are_not_run_on_one_image(
    adb: Path, model: Path, shape: tuple[int | None, ...], message: str
) -> None:
    """A line for each, and the others are timed; `benchmark_model` would take a free size for 1."""
    other = model.with_name("other.tflite")
    write_doubling(other, shape)
    failures: list[str] = []
    program = model.parent / "benchmark_model"
    found = bench_on_phones(
        phones(), [other, model], program, failed=lambda error: failures.append(str(error))
    )
    assert [timing.path for timing in found] == [model]
    (failure,) = failures
    assert failure.startswith(f"{other}: {message}")


def test_bad_input(adb: Path, model: Path) -> None:
    with pytest.raises(InputError, match="none: no such file, expected TFLite's benchmark_model"):
        bench_on_phones(phones(), [model], "none")
    with pytest.raises(InputError, match=r"net.onnx: expected a .tflite file to time"):
        bench_on_phones(phones(), ["net.onnx"], model.parent / "benchmark_model")
