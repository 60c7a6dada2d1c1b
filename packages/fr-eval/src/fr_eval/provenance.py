"""Where a result comes from: hashes of the inputs, settings by name, versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from fr_eval.files import write_text

__all__ = ["provenance", "sha256_of", "versions", "write_json"]

_BLOCK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, that of its sorted relative names and file hashes."""
    digest = hashlib.sha256()
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{inner.relative_to(path).as_posix()}\0{sha256_of(inner)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that decide a number."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in ("fr-eval", "fr-native", "numpy")
    }


def provenance(inputs: Mapping[str, Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``inputs`` (name, file name, SHA-256), ``settings`` and ``versions`` for a result's JSON."""
    return {
        "inputs": {name: {"file": path.name, "sha256": sha256_of(path)} for name, path in inputs.items()},
        "settings": dict(settings),
        "versions": versions(),
    }


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all; a figure that is not finite becomes null, infinite ones a string."""
    text = json.dumps(_strict(result), indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def _strict(value: Any) -> Any:
    """Return the value with NaN as None and infinities as the strings ``inf`` and ``-inf``."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value
