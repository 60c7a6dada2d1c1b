"""A grid of models, heads and dimensions: each built, converted and timed, size against latency.

A model's finished rows are a file in ``OUTPUT/rows``, written whole; the next run with the same settings,
versions and processor takes them from there, one with others is refused. Weights are random: they change
neither size nor latency.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fr_eval.errors import InputError, ParameterError
from fr_eval.model_files import check_writable
from fr_eval.provenance import machine, versions

from fr_export._builders import ModelBuilder, builder_packages, find_builders
from fr_export._messages import first_line
from fr_export._sweep_rows import Setting, SweepRow, read_rows, write_rows
from fr_export.bench import bench, check_numbers, check_threads
from fr_export.kinds import CALIBRATED, check_kind

if TYPE_CHECKING:
    from fr_eval.command_line import Progress

__all__ = ["Setting", "SweepRow", "sweep"]

# Whose versions decide a row's figures, beside the builders'.
PACKAGES = ("fr-export", "ai-edge-litert", "keras", "tensorflow")


def sweep(
    names: Sequence[str],
    output: str | Path,
    heads: Sequence[str] = ("GDC",),
    dims: Sequence[int] = (512,),
    pointwise: Sequence[bool] = (False,),
    kinds: Sequence[str] = ("float16",),
    threads: Sequence[int] = (1,),
    runs: int = 50,
    progress: Progress | None = None,
    measured: Callable[[list[SweepRow]], None] | None = None,
    failed: Callable[[InputError], None] | None = None,
) -> list[SweepRow]:
    """Build, convert and time every combination.

    Parameters
    ----------
    names : sequence of str
        Models of installed packages, such as fr-models.
    output : str or Path
        The folder: TFLite files in ``models``, finished rows in ``rows``, all of the same `kinds`, `threads`
        and `runs`, versions and processor.
    heads : sequence of str
    dims : sequence of int
        Of the embedding.
    pointwise : sequence of bool
        Whether a 1x1 convolution of 512 channels comes before the head.
    kinds : sequence of str
        As of `to_tflite`.
    threads : sequence of int
    runs : int
        As of `fr_export.bench.bench`.
    progress : callable, optional
        Called with the number of models done, in all, and the next one's name.
    measured : callable, optional
        Called with the rows of earlier runs, if there are any, and after each new model with all rows of the
        folder so far, the fastest first: those of models that this run does not ask for, too.
    failed : callable, optional
        Called with the error of a model that cannot be built, converted or run, and the others go on; by
        default it is raised.

    Returns
    -------
    list of SweepRow
        Of these models, the fastest first.

    Raises
    ------
    InputError
        Before the work begins: an empty list, an unknown model, head or kind, a folder that cannot be written
        to or holds rows of other settings, versions or another processor, a damaged row. A model that cannot
        be built, converted or run, for want of memory, too, unless `failed` is given.

    Examples
    --------
    >>> rows = sweep(["mobilefacenet"], "sweep", heads=("E", "GDC"))  # doctest: +SKIP
    >>> rows[0].setting.stem  # doctest: +SKIP
    'mobilefacenet_GDC_512'
    """
    output = Path(output)
    for what, given in (("names", names), ("heads", heads), ("pointwise", pointwise), ("kinds", kinds)):
        if not given:
            raise ParameterError(what, "expected one or more, got none")
    for kind in kinds:
        check_kind(kind, "kinds")
    for what, numbers in (("dims", dims), ("runs", [runs])):
        check_numbers(what, numbers)
    check_threads(threads)
    builders = find_builders(names, heads)
    grid = [Setting(*values) for values in product(names, heads, dims, pointwise)]
    check_writable(output / "rows")
    conditions = _conditions(kinds, threads, runs)
    rows = read_rows(output, conditions)
    if rows and measured is not None:
        measured(_by_latency(rows.values()))
    for done, setting in enumerate(grid):
        if progress is not None:
            progress(done, len(grid), setting.stem)
        if setting in rows:
            continue
        try:
            figures = _figures(setting, builders[setting.model], output / "models", kinds, threads, runs)
        except InputError as error:
            named = InputError(f"{setting.stem}: {error}")
            if failed is None:
                raise named from None
            failed(named)
            continue
        rows[setting] = write_rows(output, setting, conditions, figures)
        if measured is not None:
            measured(_by_latency(rows.values()))
    if progress is not None:
        progress(len(grid), len(grid), "")
    return _by_latency(rows[setting] for setting in grid if setting in rows)


def _by_latency(rows: Iterable[list[SweepRow]]) -> list[SweepRow]:
    return sorted((row for of_one in rows for row in of_one), key=lambda row: row.median_ms)


def _conditions(kinds: Sequence[str], threads: Sequence[int], runs: int) -> dict[str, Any]:
    """Return all that decides a row's figures, beside the model."""
    return {
        "kinds": list(kinds),
        "threads": list(threads),
        "runs": runs,
        "machine": machine(),
        "versions": versions([*PACKAGES, *builder_packages()]),
    }


def _figures(
    setting: Setting,
    builder: ModelBuilder,
    folder: Path,
    kinds: Sequence[str],
    threads: Sequence[int],
    runs: int,
) -> list[dict[str, Any]]:
    """Build, convert and time one model."""
    import tensorflow as tf

    try:
        parameters, kind_of = _converted(setting, builder, folder, kinds)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise InputError(f"not enough memory: {first_line(error)}") from None
    except (OverflowError, tf.errors.OpError) as error:
        raise InputError(f"TensorFlow cannot build it: {first_line(error)}") from None
    finally:
        tf.keras.backend.clear_session()
        gc.collect()
    return [
        {
            "parameters": parameters,
            "kind": kind_of[timing.path],
            "size_bytes": timing.size_bytes,
            "threads": timing.threads,
            "median_ms": timing.median_ms,
            "p90_ms": timing.p90_ms,
        }
        for timing in bench(list(kind_of), threads, runs)
    ]


def _converted(
    setting: Setting, builder: ModelBuilder, folder: Path, kinds: Sequence[str]
) -> tuple[int, dict[Path, str]]:
    """Return how many parameters a model has, and its files, each with its kind."""
    from tensorflow import keras

    from fr_export._settle import settle
    from fr_export._source import open_source
    from fr_export.exported import comparison_images
    from fr_export.tflite import to_tflite

    keras.utils.set_random_seed(0)
    try:
        model, preprocessing = builder.build(
            setting.model, setting.head, setting.embedding_dim, setting.pointwise
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    images = comparison_images(None, preprocessing.size)
    settle(model, preprocessing, images)
    source = replace(open_source(model, preprocessing), trained=False)
    kind_of = {}
    for kind in kinds:
        path = folder / f"{setting.stem}_{kind}.tflite"
        to_tflite(source, path, kind, representative=images if kind in CALIBRATED else None)
        kind_of[path] = kind
    return model.count_params(), kind_of
