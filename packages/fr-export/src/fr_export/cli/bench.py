"""``fr-export bench``: size and latency of TFLite and ONNX files, on this host and on phones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from fr_eval.cli._options import JsonFile
from fr_eval.command_line import console, progress_bar
from fr_eval.errors import InputError
from fr_eval.provenance import machine, provenance, write_json

from fr_export._labels import labels
from fr_export.cli._console import exit_if_failed, timings_table, warn, whole_numbers

if TYPE_CHECKING:
    from fr_export.bench import Timing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)


def bench(
    models: Annotated[list[Path], typer.Argument(help=".tflite and .onnx files.")],
    threads: Annotated[str, typer.Option("--threads", help="Numbers of threads.")] = "1,4",
    runs: Annotated[int, typer.Option("--runs", help="Timed runs of each.", min=1)] = 50,
    xnnpack: Annotated[
        bool | None,
        typer.Option("--xnnpack/--no-xnnpack", help="LiteRT's kernels: by default, both in turn."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="host, adb (all connected phones) or adb:SERIAL; may be repeated."),
    ] = None,
    benchmark_model: Annotated[
        Path | None, typer.Option("--benchmark-model", help="TFLite's benchmark_model for the phones.")
    ] = None,
    json_path: JsonFile = None,
) -> None:
    """Time one image through each MODEL: a table, the fastest first.

    Phones that are not ready are skipped, each with a line on standard error, unless one is named or none is
    ready. Ends with exit code 1 if some files or phones failed, each with a line, too. The file of --json is
    written after this host and after each phone.
    """
    counts = whole_numbers(threads, "--threads")
    kernels = (True, False) if xnnpack is None else (xnnpack,)
    host, serials = _devices(device or ["host"])
    from fr_export import adb
    from fr_export.bench import bench as bench_on_host
    from fr_export.bench import by_latency, check_threads

    check_threads(counts)
    if serials is not None:
        if benchmark_model is None:
            raise InputError("--benchmark-model: phones need the path of TFLite's benchmark_model")
        adb.check_files(models, benchmark_model)
    skipped: list[str] = []
    chosen = [] if serials is None else adb.phones(serials, lambda error: skipped.append(str(error)))
    for message in skipped:
        warn(f"skipped: {message}")
    failures: list[str] = []
    settings = {"threads": list(counts), "runs": runs, "xnnpack": list(kernels)}

    def failed(error: InputError) -> None:
        failures.append(str(error))

    def write(timings: list[Timing]) -> None:
        if json_path is not None:
            _write(json_path, by_latency(timings), settings, skipped, failures)

    timings = []
    if host:
        with progress_bar("bench") as progress:
            timings += bench_on_host(models, counts, runs, kernels, progress, failed)
        write(timings)
    if benchmark_model is not None and chosen:
        with progress_bar("bench on phones") as progress:
            timings += adb.bench_on_phones(
                chosen,
                models,
                benchmark_model,
                counts,
                runs,
                kernels,
                progress,
                failed,
                measured=lambda on_phones: write([*timings, *on_phones]),
            )
    timings = by_latency(timings)
    if timings:
        console().print(timings_table(timings))
    exit_if_failed(failures, some=bool(timings))


def _write(
    path: Path, timings: list[Timing], settings: dict[str, Any], skipped: list[str], failures: list[str]
) -> None:
    from fr_export.bench import PACKAGES

    names = labels(timing.path for timing in timings)
    rows = [{**timing.to_json(), "path": names[timing.path]} for timing in timings]
    about = {"skipped": skipped, "failures": failures, "machine": machine()}
    about |= provenance({name: file for file, name in names.items()}, settings, PACKAGES)
    write_json(path, {"task": "bench", "timings": rows, **about})


def _devices(names: list[str]) -> tuple[bool, list[str] | None]:
    """Return whether this host is meant, and the phones' serial numbers: none for all, None for no phone."""
    for name in names:
        if name not in ("host", "adb") and not (name.startswith("adb:") and len(name) > len("adb:")):
            raise InputError(f"--device: expected host, adb or adb:SERIAL, got {name!r}")
    phones = [name for name in names if name != "host"]
    serials = [name.removeprefix("adb:") for name in phones if name != "adb"]
    if not phones:
        return True, None
    return "host" in names, [] if "adb" in phones else list(dict.fromkeys(serials))
