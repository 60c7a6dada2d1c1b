"""Where a result comes from: hashes of the inputs, settings by name, versions, and the machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from fr_eval.errors import InputError
from fr_eval.files import write_text

__all__ = [
    "external_data",
    "machine",
    "provenance",
    "sha256_of",
    "sha256_of_files",
    "sha256_of_model",
    "versions",
    "write_json",
]

_BLOCK_BYTES = 1 << 20
# An entry of an ONNX tensor's external_data (field 13), as protobuf writes it: the key "location", then the
# length of the file's name, a varint of one byte or two. A value of that name has its type there, which
# begins with a control character.
_LOCATION = re.compile(
    rb"\x6a[\x80-\xff]?[\x00-\x7f]\x0a\x08location\x12([\x80-\xff]?[\x00-\x7f])(?=[^\x00-\x1f])"
)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, that of its sorted relative names and file hashes."""
    if path.is_dir():
        inner = sorted(p for p in path.rglob("*") if p.is_file())
        return sha256_of_files(path, (p.relative_to(path).as_posix() for p in inner))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_files(folder: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 of names below a folder and of what these files hold, in their order."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0{sha256_of(folder / name)}\n".encode())
    return digest.hexdigest()


def sha256_of_model(path: Path) -> str:
    """Return the SHA-256 of a model: of its file with an ONNX file's external data, or of its folder.

    Raises
    ------
    InputError
        External data that is not there.
    """
    external = external_data(path)
    if not external:
        return sha256_of(path)
    names = [file.relative_to(path.parent).as_posix() for file in external]
    return sha256_of_files(path.parent, [path.name, *names])


def external_data(path: Path) -> list[Path]:
    """Return the files beside an ONNX file that its weights are in, as its bytes tell, without onnx.

    Raises
    ------
    InputError
        One that is not there.
    """
    if path.suffix != ".onnx" or not path.is_file():
        return []
    content, names = path.read_bytes(), set()
    for found in _LOCATION.finditer(content):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(found[1]))
        names.add(content[found.end() : found.end() + length].decode(errors="replace"))
    files = [path.parent / name for name in sorted(names)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise InputError(f"{path}: its weights are in {', '.join(missing)}, expected beside it")
    return files


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions that decide a number; of other packages, those that are installed."""
    found = {"python": platform.python_version()}
    found |= {name: metadata.version(name) for name in ("fr-eval", "fr-native", "numpy")}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor's name, where the system tells it, and how many cores this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": next(told, platform.processor() or platform.machine()), "cores": cores}


def provenance(
    inputs: Mapping[str, Path], settings: Mapping[str, Any], packages: Sequence[str] = ()
) -> dict[str, Any]:
    """Return ``inputs`` (name, file name, SHA-256), ``settings`` and ``versions`` for a result's JSON."""
    return {
        "inputs": {
            name: {"file": path.name, "sha256": sha256_of_model(path)} for name, path in inputs.items()
        },
        "settings": dict(settings),
        "versions": versions(packages),
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
