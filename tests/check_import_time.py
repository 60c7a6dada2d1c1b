"""Fail unless ``import fr_eval`` takes under 0.5 s: the best of three, as ``-X importtime`` counts it."""

import subprocess
import sys

LIMIT_S = 0.5


def import_seconds() -> float:
    command = [sys.executable, "-X", "importtime", "-c", "import fr_eval"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = (line.split("|") for line in report.splitlines() if line.startswith("import time:"))
    cumulative = {name.strip(): total for _self, total, name in lines}
    return int(cumulative["fr_eval"]) / 1e6


if __name__ == "__main__":
    best = min(import_seconds() for _ in range(3))
    print(f"import fr_eval: {best:.3f} s, limit {LIMIT_S} s")
    sys.exit(best >= LIMIT_S)
