"""Check, or with ``--fix`` apply, clang-format on the C++ sources."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [folder for name in ("src", "tests") for folder in (ROOT / "native").glob(f"*/{name}")]
SOURCES = sorted(str(path) for folder in FOLDERS for path in folder.rglob("*.[ch]pp"))

if __name__ == "__main__":
    mode = ["-i"] if "--fix" in sys.argv[1:] else ["--dry-run", "-Werror"]
    sys.exit(subprocess.run(["clang-format", *mode, *SOURCES], check=False).returncode)
