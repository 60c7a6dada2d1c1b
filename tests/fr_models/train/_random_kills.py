"""Kill a run at random moments and resume it each time.

``python -m tests.fr_models.train._random_kills FOLDER [SEED]`` makes the runs ``killed`` and ``whole`` in a
new FOLDER, and says whether they ended alike after ten kills.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.fr_models.train import _runs

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10
STEP_SECONDS = 0.1
LONGEST_LIFE = 1.5  # seconds from the first step of a process to its death


def start(folder: Path) -> subprocess.Popen[str]:
    """Run, or resume, in a process of its own."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    action = "resume" if (folder / "recipe.yaml").exists() else "run"
    module = [sys.executable, "-m", "tests.fr_models.train._runs"]
    return subprocess.Popen(
        [*module, str(folder), action, "slow", str(STEP_SECONDS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def end(folder: Path) -> None:
    """Let a run end."""
    process = start(folder)
    process.communicate()
    assert process.returncode == 0, f"{folder}: exit code {process.returncode}"


def kill_and_resume(folder: Path, seed: int) -> int:
    """Kill a run ten times, then let it end; return how often it was still running."""
    killed = 0
    for life in np.random.default_rng(seed).uniform(0.0, LONGEST_LIFE, KILLS):
        process = start(folder)
        assert process.stdout is not None
        process.stdout.readline()  # it takes its first step
        try:
            process.wait(life)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        process.stdout.close()
    end(folder)
    return killed


def main() -> None:
    folder, seed = Path(sys.argv[1]), int([*sys.argv, "0"][2])
    _runs.prepare(folder)
    end(folder / "whole")
    killed = kill_and_resume(folder / "killed", seed)
    alike = _runs.comparable(folder / "killed") == _runs.comparable(folder / "whole")
    print(f"{killed} kills, seed {seed}: the runs ended {'alike' if alike else 'DIFFERENTLY'}")
    sys.exit(not alike)


if __name__ == "__main__":
    main()
