"""The C++ sources and how each of them is compiled.

A source for one instruction set has its flags; everything else is for every CPU of the machine's kind, and
the library chooses among them at run time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent / "cpp"
COMMON_FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-pthread")
X86_MACHINES = ("x86_64", "AMD64")
X86_FLAGS = {
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "avx512": ("-mavx512f", "-mfma", "-mf16c"),
    "avx512bf16": ("-mavx512f", "-mavx512bf16", "-mfma", "-mf16c"),
}


class Source(NamedTuple):
    """A translation unit."""

    path: Path
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """Path within the sources."""
        return self.path.relative_to(FOLDER).as_posix()


def sources(machine: str) -> list[Source]:
    """Return the translation units for ``machine``, those first that take longest."""
    return sorted(_sources(machine), key=lambda source: (not source.name.startswith("ops/"), source.name))


def _sources(machine: str) -> Iterator[Source]:
    x86 = machine in X86_MACHINES
    common = (*COMMON_FLAGS, "-DFR_X86_KERNELS") if x86 else COMMON_FLAGS
    for path in FOLDER.rglob("*.cpp"):
        isa = path.stem.rpartition("_")[2]
        if isa not in X86_FLAGS:
            yield Source(path, common)
        elif x86:
            yield Source(path, (*common, *X86_FLAGS[isa]))


def digest(machine: str) -> str:
    """Return a hash of all sources, headers too, and of their flags."""
    sha256 = hashlib.sha256()
    for source in sources(machine):
        sha256.update("\0".join([source.name, *source.flags]).encode() + b"\0")
    for path in sorted(FOLDER.rglob("*.[ch]pp")):
        text = path.read_bytes()
        sha256.update(f"{path.relative_to(FOLDER).as_posix()}\0{len(text)}\0".encode() + text)
    return sha256.hexdigest()[:16]
