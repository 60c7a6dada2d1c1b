"""Compile ``engine_test.cpp`` with the engine: ``python build_engine_test.py PROGRAM [FLAG ...]``.

Needs a C++17 compiler (``CXX``, by default ``c++``) and no TensorFlow.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src" / "fr_tf_ops" / "_sources.py"


def main(program: Path, *flags: str) -> None:
    """Compile all units, then link them."""
    spec = importlib.util.spec_from_file_location("_sources", SOURCES)
    assert spec is not None and spec.loader is not None
    sources = importlib.util.module_from_spec(spec)
    sys.modules["_sources"] = sources
    spec.loader.exec_module(sources)
    units = [unit for unit in sources.sources(platform.machine()) if not unit.name.startswith("ops/")]
    units.append(sources.Source(HERE / "engine_test.cpp", sources.COMMON_FLAGS))
    compiler = os.environ.get("CXX", "c++").split()
    with tempfile.TemporaryDirectory() as folder:
        objects = [Path(folder) / f"{number}.o" for number in range(len(units))]
        for unit, compiled in zip(units, objects, strict=True):
            paths = [f"-I{sources.FOLDER}", "-c", str(unit.path), "-o", str(compiled)]
            subprocess.run([*compiler, *unit.flags, *flags, *paths], check=True)
        subprocess.run([*compiler, "-pthread", *flags, *map(str, objects), "-o", str(program)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
