"""Exported files side by side: size, latency and what each lost; a smaller one need not be faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fr_eval.embedders import is_saved_model

from fr_export._files import size_of
from fr_export._labels import labels
from fr_export.bench import SUFFIXES, bench, kind_of
from fr_export.parity_result import Parity

__all__ = ["Format", "formats", "smaller_but_slower"]

RUNS = 20
MORE = 1.05  # times as slow, or as large: less is noise


@dataclass(frozen=True)
class Format:
    """An exported file: its kind, size and latency on one thread of this host, and its parity.

    Attributes
    ----------
    kind : str
    size_bytes : int
    latency_ms : float or None
        None for what is not timed: ``.keras`` files and SavedModels.
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


def formats(parities: Sequence[Parity]) -> list[Format]:
    """Time exported files, TFLite and ONNX, on one thread of this host; the smallest first."""
    rows = []
    timed = [parity.path for parity in parities if parity.path.suffix in SUFFIXES]
    latencies = {timing.path: timing.latency_ms for timing in bench(timed, runs=RUNS)} if timed else {}
    for parity in parities:
        path = parity.path
        rows.append(Format(_kind(path), size_of(path), latencies.get(path), parity))
    return sorted(rows, key=lambda row: row.size_bytes)


def smaller_but_slower(rows: Sequence[Format]) -> list[str]:
    """Say of each file which larger one is faster, both by more than 5 %; the fastest, of several."""
    notes = []
    names = labels(row.path for row in rows)
    timed = [(row, row.latency_ms) for row in rows if row.latency_ms is not None]
    for row, latency in timed:
        larger = [(ms, other) for other, ms in timed if other.size_bytes > MORE * row.size_bytes]
        if not larger:
            continue
        fastest, other = min(larger, key=lambda pair: pair[0])
        if latency > MORE * fastest:
            notes.append(
                f"{names[row.path]} ({row.kind}) is smaller than {names[other.path]} ({other.kind}) but "
                f"slower: {row.size_bytes / 1e6:.2f} and {other.size_bytes / 1e6:.2f} MB, "
                f"{latency:.2f} and {fastest:.2f} ms"
            )
    return notes


def _kind(path: Path) -> str:
    if path.suffix in SUFFIXES:
        return kind_of(path)
    return "saved_model" if is_saved_model(path) else path.suffix[1:]
