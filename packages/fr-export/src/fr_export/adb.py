"""Phones over adb: TFLite's own ``benchmark_model`` is pushed, run on each file and read.

What is pushed lies in one folder of the phone, which is removed again.

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
from typing import TYPE_CHECKING

from fr_eval.errors import InputError

from fr_export import _litert
from fr_export._benchmark_model import Crash, read_timings
from fr_export._messages import told
from fr_export.bench import RUNTIMES, Timing, by_latency, check_numbers, check_threads, checked_model, kind_of

if TYPE_CHECKING:
    from fr_eval.command_line import Progress

__all__ = ["Phone", "bench_on_phones", "check_files", "phones"]

FOLDER = "/data/local/tmp/fr-export"
SECONDS = {"push": 300, "shell": 600, "devices": 30}
ADVICE = {
    "unauthorized": "accept this computer's key on its screen",
    "offline": "plug it in again, or run 'adb reconnect'",
    "no permissions": "this user may not use its USB port",
}
# Of builds without XNNPACK, which run their own kernels and say so in passing.
IGNORES_XNNPACK = re.compile(r"Unconsumed cmdline flags:.*--use_xnnpack")


@dataclass(frozen=True)
class Phone:
    """A connected phone: its serial number, and its model's name."""

    serial: str
    model: str

    def __str__(self) -> str:
        return f"{self.model} ({self.serial})" if self.model else self.serial


def phones(serials: Sequence[str] = (), skipped: Callable[[InputError], None] | None = None) -> list[Phone]:
    """Return the connected phones, or those of some serial numbers.

    Parameters
    ----------
    serials : sequence of str
        By default, all.
    skipped : callable, optional
        Called with the error of each phone that is not ready, unless it is one of the serial numbers or none
        is ready; by default it is raised.

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
    found: list[Phone] = []
    errors: list[InputError] = []
    for serial in serials or states:
        with told(errors.append):
            found.append(_phone(serial, states[serial]))
    if errors and (serials or skipped is None or not found):
        raise InputError("; ".join(map(str, errors)))
    for error in errors:
        assert skipped is not None
        skipped(error)
    return found


def bench_on_phones(
    chosen: Sequence[Phone],
    models: Sequence[str | Path],
    benchmark_model: str | Path,
    threads: Sequence[int] = (1,),
    runs: int = 50,
    xnnpack: Sequence[bool] = (True,),
    progress: Progress | None = None,
    failed: Callable[[InputError], None] | None = None,
    measured: Callable[[list[Timing]], None] | None = None,
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
        As for `fr_export.bench.bench`; ``benchmark_model`` runs more often, up to a second in all, and fewer
        times where they take 150 s: `Timing.runs` tells.
    progress : callable, optional
        Called with the number of timings done and in all; a phone that fails is done with all of its own.
    failed : callable, optional
        Called with the error of a file, of a phone or of one of its timings, and the others go on; by default
        it is raised.
    measured : callable, optional
        Called after each phone with all timings so far.

    Returns
    -------
    list of Timing
        The fastest first.

    Raises
    ------
    InputError
        Before the work begins: no such file. Unless `failed` is given: a file that LiteRT cannot load, or
        whose input is not one image of a fixed size, no space on the phone, no answer from it, a
        ``benchmark_model`` that crashed: its last words.

    Examples
    --------
    >>> bench_on_phones(phones(), ["net.tflite"], "benchmark_model")[0].device  # doctest: +SKIP
    'Pixel 6 (2A281FDH200CBN)'
    """
    paths, program = check_files(models, benchmark_model)
    check_threads(threads)
    check_numbers("runs", [runs])
    timings: list[Timing] = []
    settings = list(product(threads, xnnpack))
    paths = [path for path in paths if _fits(path, failed)]
    done, total = 0, len(chosen) * len(paths) * len(settings)
    for position, phone in enumerate(chosen, start=1):
        with told(failed), _pushed(phone.serial, program) as folder:
            for path in paths:
                _push(phone.serial, path, f"{folder}/model.tflite")
                for count, on in settings:
                    with told(failed, Crash):  # the next one may still run
                        timings.append(_timed(phone, path, folder, count, runs, on))
                    done += 1
                    if progress is not None:
                        progress(done, total)
        if progress is not None and done < position * len(paths) * len(settings):
            done = position * len(paths) * len(settings)  # with those of a phone that failed
            progress(done, total)
        if measured is not None:
            measured(timings)
    return by_latency(timings)


def check_files(models: Sequence[str | Path], benchmark_model: str | Path) -> tuple[list[Path], Path]:
    """Refuse files that phones cannot run, and a ``benchmark_model`` that is not there."""
    paths = [checked_model(path, (".tflite",)) for path in models]
    program = Path(benchmark_model)
    if not program.is_file():
        raise InputError(f"{program}: no such file, expected TFLite's benchmark_model for the phone")
    return paths, program


def _fits(path: Path, failed: Callable[[InputError], None] | None) -> bool:
    """Say whether ``benchmark_model`` would run a file on one image: it takes a free size for 1."""
    with told(failed):
        _litert.check_as_it_is(path)
        return True
    return False


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
    try:
        figures = read_timings(done.stdout)
    except Crash as error:
        raise Crash(f"adb:{phone.serial}: benchmark_model on {path.name}: {error}") from None
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


def _phone(serial: str, state: str) -> Phone:
    if state != "device":
        advice = next((text for start, text in ADVICE.items() if state.startswith(start)), "")
        raise InputError(f"adb:{serial}: is {state}" + (f": {advice}" if advice else ""))
    return Phone(serial, _shell(serial, "getprop ro.product.model").strip())


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
