"""How long one image takes, and how large the file is: TFLite and ONNX files, here or on phones.

On this host all files are timed in turns, a few runs each, so that a slow spell of the machine falls on all
of them alike. The first run of a turn is not timed: it brings the network back into the caches, and lets
the threads of the runtime before come to rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fr_eval.embedders import Preprocessing, sidecar_of
from fr_eval.errors import InputError, ParameterError
from numpy.typing import NDArray

from fr_export import _litert, _onnxruntime
from fr_export._files import size_of
from fr_export._messages import one_line, told

if TYPE_CHECKING:
    from fr_eval.command_line import Progress

__all__ = [
    "HOST",
    "PACKAGES",
    "RUNTIMES",
    "Timing",
    "bench",
    "by_latency",
    "check_numbers",
    "check_threads",
    "median_ms",
]

HOST = "host"
SUFFIXES = (".tflite", ".onnx")
# Whose versions decide what a file gives and how long it takes.
PACKAGES = ("fr-export", "ai-edge-litert", "keras", "onnxruntime", "tensorflow")
RUNTIMES = {True: "LiteRT, XNNPACK", False: "LiteRT"}
TURN = 5  # timed runs at a time
WARM_UP = 3
MOST_THREADS = 1024

Run = Callable[[], None]


@dataclass(frozen=True)
class Timing:
    """One file on one device, by one runtime and number of threads.

    Attributes
    ----------
    path : Path
        The file.
    kind : str
        ``float32``, ``dynamic``, ``float16``, ``int8``, ``int16x8`` or ``onnx``.
    device : str
        ``host``, or a phone's model and serial number.
    runtime : str
        ``LiteRT, XNNPACK``, ``LiteRT`` (its own kernels) or ``onnxruntime``.
    threads, runs : int
    size_bytes : int
        With an ONNX file's external data.
    mean_ms, min_ms : float
        Of one image.
    median_ms, p90_ms : float or None
        None where a phone's ``benchmark_model`` does not tell.
    """

    path: Path
    kind: str
    device: str
    runtime: str
    threads: int
    runs: int
    size_bytes: int
    mean_ms: float
    min_ms: float
    median_ms: float | None
    p90_ms: float | None

    @property
    def latency_ms(self) -> float:
        """Return the median; the mean where there is none."""
        return self.mean_ms if self.median_ms is None else self.median_ms

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self) | {"path": self.path.name, "latency_ms": self.latency_ms}


def by_latency(timings: Iterable[Timing]) -> list[Timing]:
    """Return timings, the fastest first."""
    return sorted(timings, key=lambda timing: timing.latency_ms)


def bench(
    models: Sequence[str | Path],
    threads: Sequence[int] = (1,),
    runs: int = 50,
    xnnpack: Sequence[bool] = (True,),
    progress: Progress | None = None,
    failed: Callable[[InputError], None] | None = None,
) -> list[Timing]:
    """Time files on this host.

    Parameters
    ----------
    models : sequence of path
        ``.tflite`` and ``.onnx`` files; of a free batch one image is taken, of a free height and width the
        sidecar's.
    threads : sequence of int
        Each file is timed with each number.
    runs : int
        Timed runs of each.
    xnnpack : sequence of bool
        Whether LiteRT runs by XNNPACK, by its own kernels, or both in their turn.
    progress : callable, optional
        Called with the number of turns done and in all.
    failed : callable, optional
        Called with the error of a file that cannot be run, and the others go on; by default it is raised.

    Returns
    -------
    list of Timing
        The fastest first.

    Raises
    ------
    InputError
        No such file, another suffix, more than 1,024 threads. Unless `failed` is given: a file that its
        runtime cannot run, that takes several images at a time, whose external data is not there.
    MissingExtraError
        onnxruntime is not installed.

    Examples
    --------
    >>> bench(["net.tflite", "net.onnx"], threads=(1, 2))[0].latency_ms  # doctest: +SKIP
    4.21
    """
    paths = [checked_model(path) for path in models]
    check_threads(threads)
    check_numbers("runs", [runs])
    entries: list[_Entry] = []
    for path in paths:
        with told(failed):
            entries += _loaded(path, threads, xnnpack)
    if not entries:
        return []
    times = _in_turns([entry.run for entry in entries], runs, progress)
    return by_latency(map(_timing, entries, times))


def median_ms(path: Path, run: Run, runs: int) -> float:
    """Time a function that runs a file once, as files are timed."""
    _warm_up(path, run)
    (milliseconds,) = _in_turns([run], runs, None)
    return float(np.median(milliseconds))


def kind_of(path: Path) -> str:
    """Return what a file's numbers are: one of the kinds of `to_tflite`, or ``onnx``."""
    return "onnx" if path.suffix == ".onnx" else _litert.kind_of(path)


def checked_model(path: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """Refuse what is no file of these suffixes."""
    path = Path(path)
    if path.suffix not in suffixes:
        raise InputError(f"{path}: expected a {' or '.join(suffixes)} file to time")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return path


def check_numbers(what: str, numbers: Sequence[int]) -> None:
    """Refuse other than some numbers of 1 or more, as the parameter `what`."""
    if not numbers or any(number < 1 for number in numbers):
        raise ParameterError(what, f"expected 1 or more, got {', '.join(map(str, numbers)) or 'none'}")


def check_threads(numbers: Sequence[int]) -> None:
    """Refuse numbers of threads that no runtime starts."""
    check_numbers("threads", numbers)
    if max(numbers) > MOST_THREADS:
        raise ParameterError("threads", f"expected 1 to {MOST_THREADS:,}, got {max(numbers)}")


@dataclass(frozen=True)
class _Entry:
    """A file in one setting, ready to be timed."""

    path: Path
    kind: str
    size_bytes: int
    runtime: str
    threads: int
    run: Run


def _loaded(path: Path, threads: Sequence[int], xnnpack: Sequence[bool]) -> list[_Entry]:
    size = Preprocessing.beside(path).size if sidecar_of(path).is_file() else None
    if path.suffix == ".onnx":
        runs = [("onnxruntime", n, _onnxruntime.load(path, n, size)) for n in threads]
    else:
        runs = [(RUNTIMES[on], n, _litert.load(path, n, on, size)) for n in threads for on in xnnpack]
    for *_, run in runs:
        _warm_up(path, run)
    kind, size_bytes = kind_of(path), size_of(path)
    return [_Entry(path, kind, size_bytes, *of_one) for of_one in runs]


def _warm_up(path: Path, run: Run) -> None:
    try:
        for _ in range(WARM_UP):
            run()
    except Exception as error:  # onnxruntime's errors have no public base class
        raise InputError(f"{path}: does not run: {one_line(error)}") from None


def _in_turns(runs: list[Run], count: int, progress: Progress | None) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in runs]
    turns = -(-count // TURN)
    for turn in range(turns):
        for run, milliseconds in zip(runs, times, strict=True):
            run()
            for _ in range(min(TURN, count - turn * TURN)):
                begin = time.perf_counter()
                run()
                milliseconds.append(1e3 * (time.perf_counter() - begin))
        if progress is not None:
            progress(turn + 1, turns)
    return times


def _timing(entry: _Entry, milliseconds: list[float]) -> Timing:
    times: NDArray[np.float64] = np.array(milliseconds)
    median, p90 = np.percentile(times, [50, 90]).tolist()
    return Timing(
        path=entry.path,
        kind=entry.kind,
        device=HOST,
        runtime=entry.runtime,
        threads=entry.threads,
        runs=len(times),
        size_bytes=entry.size_bytes,
        mean_ms=float(times.mean()),
        min_ms=float(times.min()),
        median_ms=median,
        p90_ms=p90,
    )
