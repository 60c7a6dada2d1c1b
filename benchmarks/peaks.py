"""The machine's peaks, measured by ``peaks.cpp``, which this compiles with the system's C++ compiler."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from compare import CORES, HERE

SOURCES = HERE.parent / "native" / "fr-native" / "src"


def measure_peaks(isa: str) -> dict[str, float]:
    """Rates of all cores for fr-native's kernels ``avx512vnni`` or ``avx2``; nothing for others."""
    if isa not in ("avx512vnni", "avx2"):
        return {}
    flags = {"avx512vnni": ["-mavx512f", "-mavx512vnni", "-mfma"], "avx2": ["-mavx2", "-mfma"]}[isa]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peaks"
        command = [os.environ.get("CXX", "c++"), "-std=c++17", "-O3", "-pthread", "-DFR_X86_KERNELS"]
        sources = [HERE / "peaks.cpp", SOURCES / "kernels" / f"dot_i8_{isa}.cpp"]
        subprocess.run([*command, *flags, f"-I{SOURCES}", *sources, "-o", program], check=True)
        done = subprocess.run([program, str(CORES)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
