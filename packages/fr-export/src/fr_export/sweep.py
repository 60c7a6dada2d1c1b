"""A grid of models, heads and dimensions: each built, converted and timed, size against latency.

A finished row of the grid is a file in ``OUTPUT/rows``, written whole; the next run with the same settings,
versions and kind of machine takes it from there. Weights are random: they change neither size nor latency.
"""

from __future__ import annotations

import gc
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from fr_eval.embedders import Preprocessing
from fr_eval.errors import InputError
from fr_eval.provenance import write_json

from fr_export._builders import ModelBuilder, find_builders
from fr_export.bench import bench, check_numbers

__all__ = ["Setting", "SweepRow", "sweep"]

Progress = Callable[[int, int, str], None]
N_SETTLING = 8


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

    Returns
    -------
    list of SweepRow
        The fastest first.

    Raises
    ------
    InputError
        An unknown model, head or kind, before the work begins; a model that cannot be built or converted.

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
    conditions = _conditions(kinds, threads, runs)
    rows = []
    for done, setting in enumerate(grid):
        if progress is not None:
            progress(done, len(grid), setting.stem)
        kept = output / "rows" / f"{setting.stem}.json"
        figures = _finished(kept, conditions)
        if figures is None:
            figures = _measured(setting, builders[setting.model], output / "models", kinds, threads, runs)
            write_json(kept, {"conditions": conditions, "figures": figures})
        rows += [SweepRow(setting, **row) for row in figures]
    if progress is not None:
        progress(len(grid), len(grid), "")
    return sorted(rows, key=lambda row: row.median_ms)


def _conditions(kinds: Sequence[str], threads: Sequence[int], runs: int) -> dict[str, Any]:
    """Return all that decides a row's figures, beside the model."""
    packages = ("ai-edge-litert", "tensorflow")
    return {
        "kinds": list(kinds),
        "threads": list(threads),
        "runs": runs,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in packages},
    }


def _finished(path: Path, conditions: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return a finished row's figures, or None where there are none of the same conditions."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: damaged; delete it to measure it again") from None
    if not isinstance(kept, dict) or kept.get("conditions") != conditions:
        return None
    figures: list[dict[str, Any]] = kept["figures"]
    return figures


def _measured(
    setting: Setting,
    builder: ModelBuilder,
    folder: Path,
    kinds: Sequence[str],
    threads: Sequence[int],
    runs: int,
) -> list[dict[str, Any]]:
    from tensorflow import keras

    from fr_export.exported import comparison_images
    from fr_export.tflite import CALIBRATED, to_tflite

    keras.utils.set_random_seed(0)
    try:
        model, told = builder.build(setting.model, setting.head, setting.embedding_dim, setting.pointwise)
    except ValueError as error:
        raise InputError(f"{setting.stem}: {error}") from None
    images = comparison_images(None, told.size)[:N_SETTLING]
    _settle(model, told, images)
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


def _settle(model: Any, told: Preprocessing, images: Any) -> None:
    """Give batch normalisation the statistics of images, as training does.

    In a fresh mobile network each block makes activations smaller, down to embeddings that 8 bits cannot
    hold and that floats compute slowly.
    """
    from tensorflow import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(told.apply(images), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
