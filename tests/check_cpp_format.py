"""Check, or with ``--fix`` apply, clang-format on the C++ sources."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(str(path) for path in (ROOT / "native").rglob("src/**/*.[ch]pp"))

if __name__ == "__main__":
    mode = ["-i"] if "--fix" in sys.argv[1:] else ["--dry-run", "-Werror"]
    sys.exit(subprocess.run(["clang-format", *mode, *SOURCES], check=False).returncode)
