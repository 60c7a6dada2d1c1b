"""A sweep's finished rows: a file a model in ``OUTPUT/rows``, written whole.

All rows of a folder have been measured under the same conditions. Where they were others, nothing is
measured: the rows that are there, and the tables of them, would be lost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from fr_eval.errors import InputError
from fr_eval.provenance import write_json

FIGURES = {
    "parameters": int,
    "kind": str,
    "size_bytes": int,
    "threads": int,
    "median_ms": int | float,
    "p90_ms": int | float,
}
OF_SETTING = {"model": str, "head": str, "embedding_dim": int, "pointwise": bool}


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


def write_rows(
    output: Path, setting: Setting, conditions: dict[str, Any], figures: Sequence[dict[str, Any]]
) -> list[SweepRow]:
    """Write a model's rows, and return them."""
    content = {"setting": asdict(setting), "conditions": conditions, "figures": figures}
    write_json(output / "rows" / f"{setting.stem}.json", content)
    return [SweepRow(setting, **fields) for fields in figures]


def read_rows(output: Path, conditions: dict[str, Any]) -> dict[Setting, list[SweepRow]]:
    """Return the finished rows of a folder by model.

    Raises
    ------
    InputError
        A damaged file, rows of other conditions: which ones.
    """
    paths = sorted(path for path in (output / "rows").glob("*.json") if not path.name.startswith("."))
    return dict(_read(path, output, conditions) for path in paths)


def _read(path: Path, output: Path, conditions: dict[str, Any]) -> tuple[Setting, list[SweepRow]]:
    damaged = InputError(f"{path}: damaged; delete it to measure it again")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise damaged from None
    if not isinstance(kept, dict) or not isinstance(kept.get("conditions"), dict):
        raise damaged
    if kept["conditions"] != conditions:
        raise InputError(
            f"{output}: holds a sweep of other settings: {_differences(kept['conditions'], conditions)}: "
            "give another folder, or delete this one to measure anew"
        )
    setting, figures = kept.get("setting"), kept.get("figures")
    if not _has(setting, OF_SETTING) or not isinstance(figures, list) or not figures:
        raise damaged
    if not all(_has(fields, FIGURES) for fields in figures):
        raise damaged
    setting = Setting(**setting)
    if setting.stem != path.stem:
        raise damaged
    return setting, [SweepRow(setting, **fields) for fields in figures]


def _has(fields: Any, types: dict[str, Any]) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(fields, dict)
        and fields.keys() == types.keys()
        and all(isinstance(fields[name], kind) for name, kind in types.items())
    )


def _differences(kept: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Say what rows were measured with, and what with now."""
    there, here = _flat(kept), _flat(wanted)
    return "; ".join(
        f"{name} {there.get(name, 'none')}, not {here.get(name, 'none')}"
        for name in {**here, **there}
        if there.get(name) != here.get(name)
    )


def _flat(conditions: dict[str, Any]) -> dict[str, str]:
    """Return conditions by name, those of the machine and the versions among them."""
    flat: dict[str, str] = {}
    for name, value in conditions.items():
        if isinstance(value, dict):
            flat |= {str(inner): str(said) for inner, said in value.items()}
        else:
            flat[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat
