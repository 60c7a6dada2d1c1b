"""Phones over adb: TFLite's own ``benchmark_model`` is pushed, run on each file and read.

What is pushed lies in one folder of the phone, which is removed again. The figures are read from the last
line of counts that ``benchmark_model`` prints, the warm-up's being the first; its three forms over the
years differ in what they tell besides the mean.

References
----------
https://ai.google.dev/edge/litert/models/measurement
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from fr_eval.embed import Progress
from fr_eval.errors import InputError

from fr_export.bench import RUNTIMES, Timing, by_latency, check_numbers, checked_model, kind_of

__all__ = ["Crash", "Phone", "bench_on_phones", "check_files", "phones", "read_timings"]

FOLDER = "/data/local/tmp/fr-export"
SECONDS = {"push": 300, "shell": 600, "devices": 30}
ADVICE = {
    "unauthorized": "accept this computer's key on its screen",
    "offline": "plug it in again, or run 'adb reconnect'",
    "no permissions": "this user may not use its USB port",
}
# count=50 first=8634 curr=8571 min=8455 max=9107 avg=8633.87 std=109 [p5=8460 median=8612 p95=8990]
# or, of equal or single runs, count=1 curr=8571[(all same)]; microseconds.
COUNTS = re.compile(r"\bcount=(\d+) (.*curr=.*)$", re.MULTILINE)
FIGURE = re.compile(r"\b(\w+)=([0-9.]+(?:e[+-]?\d+)?)")
FINISHED = re.compile(r"\b(?:Average i|I)nference timings in us: ")

# Of builds without XNNPACK, which run their own kernels and say so in passing.
IGNORES_XNNPACK = re.compile(r"Unconsumed cmdline flags:.*--use_xnnpack")


class Crash(InputError):
    """A ``benchmark_model`` that did not finish one of its runs."""


@dataclass(frozen=True)
class Phone:
    """A connected phone: its serial number, and its model's name."""

    serial: str
    model: str

    def __str__(self) -> str:
        return f"{self.model} ({self.serial})" if self.model else self.serial


def phones(serials: Sequence[str] = ()) -> list[Phone]:
    """Return the connected phones, or those of some serial numbers.

    Raises
    ------
    InputError
        No adb, no phone, one that is not there, that is unauthorised or offline.
    """
    states = _states()
    if not states and not serials:
        raise InputError("adb: no phone is connected")
    for serial in serials:
        if serial not in states:
            raise InputError(f"adb:{serial}: is not connected; adb sees {', '.join(states) or 'no phone'}")
    chosen = list(serials) or list(states)
    for serial in chosen:
        if states[serial] != "device":
            advice = next((text for state, text in ADVICE.items() if states[serial].startswith(state)), "")
            raise InputError(f"adb:{serial}: is {states[serial]}" + (f": {advice}" if advice else ""))
    return [Phone(serial, _shell(serial, "getprop ro.product.model").strip()) for serial in chosen]


def bench_on_phones(
    chosen: Sequence[Phone],
    models: Sequence[str | Path],
    benchmark_model: str | Path,
    threads: Sequence[int] = (1,),
    runs: int = 50,
    xnnpack: Sequence[bool] = (True,),
    progress: Progress | None = None,
    failed: Callable[[InputError], None] | None = None,
) -> list[Timing]:
    """Time TFLite files on phones.

    Parameters
    ----------
    chosen : sequence of Phone
    models : sequence of path
        ``.tflite`` files.
    benchmark_model : path
        TFLite's ``benchmark_model``, built for the phones' processor.
    threads, runs, xnnpack
        As for `fr_export.bench.bench`; ``benchmark_model`` may run more often, for a second in all.
    progress : callable, optional
        Called with the number of timings done and in all.
    failed : callable, optional
        Called with the error of a phone or of one of its timings, and the others go on; by default it is
        raised.

    Returns
    -------
    list of Timing
        The fastest first.

    Raises
    ------
    InputError
        Before the work begins: no such file. Unless `failed` is given: no space on the phone, no answer from
        it, a ``benchmark_model`` that crashed: its last words.

    Examples
    --------
    >>> bench_on_phones(phones(), ["net.tflite"], "benchmark_model")[0].device  # doctest: +SKIP
    'Pixel 6 (2A281FDH200CBN)'
    """
    paths, program = check_files(models, benchmark_model)
    check_numbers("threads", threads)
    check_numbers("runs", [runs])
    timings: list[Timing] = []
    done, total = 0, len(chosen) * len(paths) * len(threads) * len(xnnpack)
    for phone in chosen:
        with _told(failed, InputError), _pushed(phone.serial, program) as folder:
            for path in paths:
                _push(phone.serial, path, f"{folder}/model.tflite")
                for count, on in product(threads, xnnpack):
                    with _told(failed, Crash):  # the next one may still run
                        timings.append(_timed(phone, path, folder, count, runs, on))
                    done += 1
                    if progress is not None:
                        progress(done, total)
    return by_latency(timings)


def check_files(models: Sequence[str | Path], benchmark_model: str | Path) -> tuple[list[Path], Path]:
    """Refuse files that phones cannot run, and a ``benchmark_model`` that is not there."""
    paths = [checked_model(path, (".tflite",)) for path in models]
    program = Path(benchmark_model)
    if not program.is_file():
        raise InputError(f"{program}: no such file, expected TFLite's benchmark_model for the phone")
    return paths, program


def read_timings(output: str) -> dict[str, float] | None:
    """Return the figures of ``benchmark_model``'s timed runs, or None if it did not finish.

    Returns
    -------
    dict
        ``count``; ``min``, ``avg`` and, of newer ones, ``median``, in microseconds.
    """
    lines = COUNTS.findall(output)
    if not lines or not FINISHED.search(output):
        return None
    count, text = lines[-1]
    figures = {name: float(number) for name, number in FIGURE.findall(text)}
    equal = figures["curr"]  # of all runs, if they are the same
    return {"count": float(count), "min": equal, "avg": equal, **figures}


@contextmanager
def _told(failed: Callable[[InputError], None] | None, kind: type[InputError]) -> Iterator[None]:
    """Tell of an error of a kind instead of raising it, if there is whom to tell."""
    try:
        yield
    except kind as error:
        if failed is None:
            raise
        failed(error)


@contextmanager
def _pushed(serial: str, program: Path) -> Iterator[str]:
    """Push ``benchmark_model`` to a folder of its own, which is removed again if the phone is still there."""
    folder = f"{FOLDER}-{os.getpid()}"
    try:
        _push(serial, program, f"{folder}/benchmark_model")
        _shell(serial, f"chmod 755 {folder}/benchmark_model")
        yield folder
    finally:
        with suppress(InputError, OSError):  # or they would hide what went wrong before
            _adb("-s", serial, "shell", f"rm -rf {folder}", seconds=SECONDS["devices"])


def _timed(phone: Phone, path: Path, folder: str, threads: int, runs: int, xnnpack: bool) -> Timing:
    options = f"--num_threads={threads} --num_runs={runs} --use_xnnpack={str(xnnpack).lower()}"
    command = f"{folder}/benchmark_model --graph={folder}/model.tflite {options} 2>&1"
    done = _adb("-s", phone.serial, "shell", command, seconds=SECONDS["shell"])
    figures = read_timings(done.stdout)
    if done.returncode != 0 or figures is None:
        raise Crash(
            f"adb:{phone.serial}: benchmark_model failed on {path.name} (exit code {done.returncode}): "
            f"{_last_line(done.stdout + done.stderr)}"
        )
    median = figures.get("median")
    uses_xnnpack = xnnpack and not IGNORES_XNNPACK.search(done.stdout)
    return Timing(
        path=path,
        kind=kind_of(path),
        device=str(phone),
        runtime=RUNTIMES[uses_xnnpack],
        threads=threads,
        runs=int(figures["count"]),
        size_bytes=path.stat().st_size,
        mean_ms=figures["avg"] / 1e3,
        min_ms=figures["min"] / 1e3,
        median_ms=None if median is None else median / 1e3,
        p90_ms=None,
    )


def _states() -> dict[str, str]:
    """Return the state of each connected phone by serial number."""
    if shutil.which("adb") is None:
        raise InputError("adb: is not installed: phones need Android's platform tools, with adb on the PATH")
    done = _adb("devices", seconds=SECONDS["devices"])
    if done.returncode != 0:
        raise InputError(f"adb: devices failed: {_last_line(done.stderr or done.stdout)}")
    _, _, listed = done.stdout.partition("List of devices attached")
    lines = (line.split(maxsplit=1) for line in listed.splitlines() if line.strip())
    return {fields[0]: fields[1].strip() for fields in lines if len(fields) == 2}


def _push(serial: str, path: Path, target: str) -> None:
    _shell(serial, f"mkdir -p {target.rpartition('/')[0]}")
    done = _adb("-s", serial, "push", str(path), target, seconds=SECONDS["push"])
    if done.returncode != 0:
        raise InputError(f"adb:{serial}: cannot push {path.name}: {_last_line(done.stderr or done.stdout)}")


def _shell(serial: str, command: str) -> str:
    done = _adb("-s", serial, "shell", command, seconds=SECONDS["devices"])
    if done.returncode != 0:
        raise InputError(f"adb:{serial}: '{command}' failed: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


def _adb(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["adb", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"adb: no answer to '{' '.join(arguments)}' within {seconds:g} s") from None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
