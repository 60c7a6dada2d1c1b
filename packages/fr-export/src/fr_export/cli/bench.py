"""``fr-export bench``: size and latency of TFLite and ONNX files, on this host and on phones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from fr_eval.errors import InputError


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
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the timings to this file.")] = None,
) -> None:
    """Time one image through each MODEL: a table, the fastest first.

    Ends with exit code 1 if some timings on phones failed, each with a line on standard error.
    """
    from fr_eval.command_line import console, progress_bar
    from fr_eval.model_files import check_writable
    from fr_eval.provenance import machine, provenance, write_json

    from fr_export import adb
    from fr_export._labels import labels
    from fr_export.bench import bench as bench_on_host
    from fr_export.bench import by_latency
    from fr_export.cli._console import end_with, timings_table, whole_numbers
    from fr_export.cli._options import PACKAGES

    counts = whole_numbers(threads, "--threads")
    kernels = (True, False) if xnnpack is None else (xnnpack,)
    host, serials = _devices(device or ["host"])
    if serials is not None:
        if benchmark_model is None:
            raise InputError("--benchmark-model: phones need the path of TFLite's benchmark_model")
        adb.check_files(models, benchmark_model)
    chosen = [] if serials is None else adb.phones(serials)
    if json_path is not None:
        check_writable(json_path.parent)
    timings = []
    failures: list[str] = []
    if host:
        with progress_bar("bench") as progress:
            timings += bench_on_host(models, counts, runs, kernels, progress)
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
                failed=lambda error: failures.append(str(error)),
            )
    timings = by_latency(timings)
    if timings:
        console().print(timings_table(timings))
    if json_path is not None:
        names = labels(timing.path for timing in timings)
        inputs = {str(position): path for position, path in enumerate(models)}
        settings = {"threads": list(counts), "runs": runs, "xnnpack": list(kernels)}
        rows = [{**timing.to_json(), "path": names[timing.path]} for timing in timings]
        told = {"failures": failures, "machine": machine(), **provenance(inputs, settings, PACKAGES)}
        write_json(json_path, {"task": "bench", "timings": rows, **told})
    end_with(failures, some=bool(timings))


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
