"""Exported files beside their source: size, latency and what each lost; a smaller one need not be faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fr_eval.embedders import Embedder, is_saved_model
from fr_eval.embedders.keras import KerasEmbedder
from fr_eval.errors import InputError

from fr_export._files import size_of
from fr_export._labels import labels
from fr_export._messages import told
from fr_export.bench import SUFFIXES, bench, kind_of, median_ms
from fr_export.parity_result import Judged, Parity

__all__ = ["FormatRow", "SourceRow", "compare_formats", "smaller_but_slower"]

RUNS = 20
TRACED = "Keras, traced, all cores"
NOTABLE_RATIO = 1.05  # times as slow, or as large: less is noise


@dataclass(frozen=True)
class SourceRow:
    """The model before: its kind, size and latency on this host, and what the pairs say of it.

    Attributes
    ----------
    path : Path
    kind : str
    size_bytes : int
    latency_ms : float or None
        On one thread; of a ``.keras`` file on all cores, as a graph that TensorFlow has traced. None of a
        SavedModel, and of a fixed batch of several images.
    flip_sum : bool
        Whether mirror images were added for `judged`, because no exported file gives the image's alone.
    judged : Judged
    """

    path: Path
    kind: str
    size_bytes: int
    latency_ms: float | None
    flip_sum: bool
    judged: Judged

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, without the path."""
        return {
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "latency_ms": self.latency_ms,
            "flip_sum": self.flip_sum,
            "accuracy": self.judged.kfold.to_json(),
            "verification": self.judged.verification.to_json(),
        }


@dataclass(frozen=True)
class FormatRow:
    """An exported file: its kind, size and latency on one thread of this host, and its parity.

    Attributes
    ----------
    kind : str
    size_bytes : int
    latency_ms : float or None
        None for what is not timed: ``.keras`` files, SavedModels, files of a fixed batch of several images.
    parity : Parity
    """

    kind: str
    size_bytes: int
    latency_ms: float | None
    parity: Parity

    @property
    def path(self) -> Path:
        """Return the file."""
        return self.parity.path

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        fields = {"kind": self.kind, "size_bytes": self.size_bytes, "latency_ms": self.latency_ms}
        return {**fields, **self.parity.to_json()}


def compare_formats(
    source: Path,
    embedder: Embedder,
    parities: Sequence[Parity],
    failed: Callable[[InputError], None] | None = None,
) -> tuple[SourceRow, list[FormatRow]]:
    """Time a source and its exported files, these on one thread of this host; the smallest of them first.

    Parameters
    ----------
    source : Path
    embedder : Embedder
        The source, loaded.
    parities : sequence of Parity
        Of the exported files.
    failed : callable, optional
        Called with the error of a file that cannot be timed; by default it is raised.
    """
    paths = dict.fromkeys([source, *(parity.path for parity in parities)])
    timings = bench([path for path in paths if path.suffix in SUFFIXES], runs=RUNS, failed=failed)
    latencies = {timing.path: timing.latency_ms for timing in timings}
    rows = []
    for parity in parities:
        path = parity.path
        rows.append(FormatRow(_kind(path), size_of(path), latencies.get(path), parity))
    kind, latency = _kind(source), latencies.get(source)
    if isinstance(embedder, KerasEmbedder):
        from fr_export import _traced

        kind = TRACED
        with told(failed):
            latency = median_ms(source, _traced.load(embedder), RUNS)
    plainest = min(parities, key=lambda parity: parity.flip_sum)
    before = SourceRow(source, kind, size_of(source), latency, plainest.flip_sum, plainest.before)
    return before, sorted(rows, key=lambda row: row.size_bytes)


def smaller_but_slower(source: SourceRow, rows: Sequence[FormatRow]) -> list[str]:
    """Say of each file which larger one is faster, both by more than 5 %; the fastest, of several."""
    notes = []
    files: list[SourceRow | FormatRow] = [source, *rows]
    names = labels([file.path for file in files])
    for row in rows:
        larger = [
            (other.latency_ms, other)
            for other in files
            if other.latency_ms is not None and other.size_bytes > NOTABLE_RATIO * row.size_bytes
        ]
        if row.latency_ms is None or not larger:
            continue
        fastest, other = min(larger, key=lambda pair: pair[0])
        if row.latency_ms > NOTABLE_RATIO * fastest:
            notes.append(
                f"{names[row.path]} ({row.kind}) is smaller than {names[other.path]} ({other.kind}) but "
                f"slower: {row.size_bytes / 1e6:.2f} and {other.size_bytes / 1e6:.2f} MB, "
                f"{row.latency_ms:.2f} and {fastest:.2f} ms"
            )
    return notes


def _kind(path: Path) -> str:
    if path.suffix in SUFFIXES:
        return kind_of(path)
    return "saved_model" if is_saved_model(path) else path.suffix[1:]
