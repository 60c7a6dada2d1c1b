"""Phones, played by an executable named adb that answers as recorded ones did."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError
from fr_export import adb as adb_module
from fr_export import cli
from fr_export.adb import FOLDER, Phone, bench_on_phones, phones, read_timings

from tests.commands import runner
from tests.fr_export.recorded import RECORDED

# It keeps a log of its calls, and the phone's files in a folder; what it answers lies in files beside it.
FAKE = r"""#!{python}
import pathlib, shutil, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
with (here / "log").open("a") as log:
    print(*arguments, file=log)
if arguments == ["devices"]:
    print((here / "devices").read_text(), end="")
    sys.exit()
assert arguments[0] == "-s"
serial, verb, *rest = arguments[1:]
phone = here / serial
def local(path):
    return phone / path.lstrip("/")
if (phone / "unplugged").exists() and "getprop" not in rest[0]:
    print("adb: device '%s' not found" % serial, file=sys.stderr)
    sys.exit(1)
if verb == "push":
    source, target = rest
    if (here / "full").exists():
        print(source + ": 0 files pushed.", file=sys.stderr)
        print("adb: error: failed to copy '%s' to '%s': remote write failed: No space left on device"
              % (source, target), file=sys.stderr)
        sys.exit(1)
    shutil.copyfile(source, local(target))
    print(source + ": 1 file pushed, 0 skipped. 31.4 MB/s (1842596 bytes in 0.056s)")
elif rest[0].startswith("getprop"):
    print("Pixel " + serial[-1])
elif rest[0].startswith("mkdir -p "):
    local(rest[0].split()[2]).mkdir(parents=True, exist_ok=True)
elif rest[0].startswith("chmod 755 "):
    local(rest[0].split()[2]).chmod(0o755)
elif rest[0].startswith("rm -rf "):
    shutil.rmtree(local(rest[0].split()[2]))
else:
    program, graph, *_ = rest[0].split()
    assert local(program).stat().st_mode & 0o100 and local(graph.removeprefix("--graph=")).exists()
    if (phone / "crashes").exists() and "--num_threads=4" in rest[0]:
        print("Segmentation fault")
        sys.exit(139)
    print((here / "output").read_text(), end="")
    sys.exit(int((here / "code").read_text()))
"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "platform-tools"
    folder.mkdir()
    (folder / "adb").write_text(FAKE.replace("{python}", sys.executable))
    (folder / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    says(folder, "one\tdevice")
    answers(folder, RECORDED["percentiles"])
    return folder


def says(adb: Path, *states: str) -> None:
    lines = ["* daemon not running; starting now at tcp:5037", "* daemon started successfully"]
    (adb / "devices").write_text("\n".join([*lines, "List of devices attached", *states, "", ""]))


def answers(adb: Path, output: str, code: int = 0) -> None:
    (adb / "output").write_text(output)
    (adb / "code").write_text(str(code))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A real file, since its kind is read from it."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec((1, 4))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    (tmp_path / "net.tflite").write_bytes(converter.convert())
    (tmp_path / "benchmark_model").write_bytes(b"\x7fELF")
    return tmp_path / "net.tflite"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("oldest", {"count": 15, "min": 66699, "avg": 66767.6}),
        ("before percentiles", {"count": 50, "min": 32641, "avg": 33209.4}),
        ("percentiles", {"count": 25, "min": 140071, "avg": 145528, "median": 141253}),
        ("powers of ten", {"count": 50, "min": 2727568, "avg": 2.95034e6}),
        ("one run", {"count": 1, "min": 3512391, "avg": 3512391}),
        ("ignored flags", {"count": 50, "min": 73909, "avg": 74481.6}),
        ("LiteRT", {"count": 50, "min": 911877, "avg": 971535}),
    ],
)
def test_recorded_forms(form: str, expected: dict[str, float]) -> None:
    figures = read_timings(RECORDED[form])
    assert figures is not None
    assert {name: figures[name] for name in expected} == expected
    assert ("median" in figures) == (form == "percentiles")


@pytest.mark.parametrize("form", ["before percentiles", "percentiles"])
def test_unfinished(form: str) -> None:
    """Cut off before the last line of figures, the warm-up's would be taken for the timed runs."""
    whole = RECORDED[form]
    assert read_timings(whole[: whole.index("nference timings in us")]) is None
    assert read_timings("") is None


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


def test_command_without_any_timing(
    adb: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (adb / "full").touch()
    run = runner("fr-export", cli.main, monkeypatch, capsys)
    options = ["--device", "adb:one", "--benchmark-model", model.parent / "benchmark_model"]
    code, out, err = run("bench", model, *options)
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert err.startswith("fr-export: adb:one: cannot push benchmark_model: ")


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


def test_bad_input(adb: Path, model: Path) -> None:
    with pytest.raises(InputError, match="none: no such file, expected TFLite's benchmark_model"):
        bench_on_phones(phones(), [model], "none")
    with pytest.raises(InputError, match=r"net.onnx: expected a .tflite file to time"):
        bench_on_phones(phones(), ["net.onnx"], model.parent / "benchmark_model")
