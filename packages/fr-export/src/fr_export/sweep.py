"""A grid of models, heads and dimensions: each built, converted and timed, size against latency.

A model's finished rows are a file in ``OUTPUT/rows``, written whole; the next run with the same settings,
versions and processor takes them from there. Weights are random: they change neither size nor latency.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from fr_eval.errors import InputError
from fr_eval.model_files import check_writable
from fr_eval.provenance import machine, versions, write_json

from fr_export._builders import ModelBuilder, builder_packages, find_builders
from fr_export.bench import bench, check_numbers

__all__ = ["Setting", "SweepRow", "sweep"]

Progress = Callable[[int, int, str], None]
PACKAGES = ("fr-export", "ai-edge-litert", "keras", "tensorflow")


@dataclass(frozen=True)
class Setting:
    """One model of the grid."""

    model: str
    head: str
    embedding_dim: int
    pointwise: bool

    @property
    def stem(self) -> str:
        """Return the name of its files."""
        return f"{self.model}_{self.head}_{self.embedding_dim}" + ("_pointwise" if self.pointwise else "")


@dataclass(frozen=True)
class SweepRow:
    """A model of the grid in one kind, timed with one number of threads.

    Attributes
    ----------
    setting : Setting
    parameters : int
        Statistics of batch normalisation included.
    kind : str
    size_bytes : int
        Of the TFLite file.
    threads : int
    median_ms, p90_ms : float
        Of one image, by LiteRT and XNNPACK on this host.
    """

    setting: Setting
    parameters: int
    kind: str
    size_bytes: int
    threads: int
    median_ms: float
    p90_ms: float


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
        The folder: TFLite files in ``models``, finished rows in ``rows``.
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
        Called after each model with all rows so far, the fastest first.
    failed : callable, optional
        Called with the error of a model that cannot be built, converted or run, and the others go on; by
        default it is raised.

    Returns
    -------
    list of SweepRow
        The fastest first.

    Raises
    ------
    InputError
        Before the work begins: an unknown model, head or kind, a folder that cannot be written to, a damaged
        row. A model that cannot be built, converted or run, unless `failed` is given.

    Examples
    --------
    >>> rows = sweep(["mobilefacenet"], "sweep", heads=("E", "GDC"))  # doctest: +SKIP
    >>> rows[0].setting.stem  # doctest: +SKIP
    'mobilefacenet_GDC_512'
    """
    from fr_export.tflite import check_options

    output = Path(output)
    for kind in kinds:
        check_options(kind, "float", has_images=True)
    for what, numbers in (("dims", dims), ("threads", threads), ("runs", [runs])):
        check_numbers(what, numbers)
    builders = find_builders(names, heads)
    grid = [Setting(*values) for values in product(names, heads, dims, pointwise)]
    check_writable(output / "rows")
    conditions = _conditions(kinds, threads, runs)
    rows = {setting: _finished(setting, output, conditions) for setting in grid}
    for done, setting in enumerate(grid):
        if progress is not None:
            progress(done, len(grid), setting.stem)
        if not rows[setting]:
            try:
                figures = _figures(setting, builders[setting.model], output / "models", kinds, threads, runs)
            except InputError as error:
                named = InputError(f"{setting.stem}: {error}")
                if failed is None:
                    raise named from None
                failed(named)
                continue
            write_json(_row_file(setting, output), {"conditions": conditions, "figures": figures})
            rows[setting] = [SweepRow(setting, **fields) for fields in figures]
        if measured is not None:
            measured(_by_latency(rows.values()))
    if progress is not None:
        progress(len(grid), len(grid), "")
    return _by_latency(rows.values())


def _by_latency(rows: Iterable[list[SweepRow]]) -> list[SweepRow]:
    return sorted((row for of_one in rows for row in of_one), key=lambda row: row.median_ms)


def _conditions(kinds: Sequence[str], threads: Sequence[int], runs: int) -> dict[str, Any]:
    """Return all that decides a row's figures, beside the model: the builders' versions, too."""
    return {
        "kinds": list(kinds),
        "threads": list(threads),
        "runs": runs,
        "machine": machine(),
        "versions": versions([*PACKAGES, *builder_packages()]),
    }


def _row_file(setting: Setting, output: Path) -> Path:
    return output / "rows" / f"{setting.stem}.json"


def _finished(setting: Setting, output: Path, conditions: dict[str, Any]) -> list[SweepRow]:
    """Return a model's finished rows, or none where there are none of the same conditions."""
    path = _row_file(setting, output)
    damaged = InputError(f"{path}: damaged; delete it to measure it again")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise damaged from None
    if not isinstance(kept, dict) or kept.get("conditions") != conditions:
        return []
    figures = kept.get("figures")
    if not isinstance(figures, list) or not figures or not all(map(_is_row, figures)):
        raise damaged
    return [SweepRow(setting, **fields) for fields in figures]


def _is_row(fields: Any) -> bool:
    types = {
        "parameters": int,
        "kind": str,
        "size_bytes": int,
        "threads": int,
        "median_ms": int | float,
        "p90_ms": int | float,
    }
    return (
        isinstance(fields, dict)
        and fields.keys() == types.keys()
        and all(isinstance(fields[name], kind) for name, kind in types.items())
    )


def _figures(
    setting: Setting,
    builder: ModelBuilder,
    folder: Path,
    kinds: Sequence[str],
    threads: Sequence[int],
    runs: int,
) -> list[dict[str, Any]]:
    from tensorflow import keras

    from fr_export._settle import settle
    from fr_export.exported import comparison_images
    from fr_export.tflite import CALIBRATED, to_tflite

    keras.utils.set_random_seed(0)
    try:
        model, told = builder.build(setting.model, setting.head, setting.embedding_dim, setting.pointwise)
    except ValueError as error:
        raise InputError(str(error)) from None
    images = comparison_images(None, told.size)
    settle(model, told, images)
    parameters = model.count_params()
    kind_of = {}
    for kind in kinds:
        path = folder / f"{setting.stem}_{kind}.tflite"
        to_tflite(model, path, kind, told, images if kind in CALIBRATED else None)
        kind_of[path] = kind
    del model
    keras.backend.clear_session()
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
