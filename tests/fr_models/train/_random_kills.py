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
from fr_models.train.checkpoints import read_record

from tests.fr_models.train import _runs

ROOT = Path(__file__).resolve().parents[3]
KILLS = 10
STEP_SECONDS = 0.1
MOST_STEPS = 12  # that a process begins before its death
LONGEST_WAIT = 0.5  # seconds from the last of them on: in it, an evaluation, a checkpoint, or the next


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
    random, killed = np.random.default_rng(seed), 0
    lives = zip(
        random.integers(1, MOST_STEPS + 1, KILLS), random.uniform(0.0, LONGEST_WAIT, KILLS), strict=True
    )
    for steps, seconds in lives:
        process = start(folder)
        assert process.stdout is not None
        for _ in range(steps):
            process.stdout.readline()
        try:
            code = process.wait(seconds)
            assert code == 0, f"{folder}: exit code {code} after {killed} kills"
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            print(f"kill {killed}, {seconds:.2f} s after step {steps} began: {kept(folder)}", flush=True)
        process.stdout.close()
    end(folder)
    return killed


def kept(folder: Path) -> str:
    """Say where the run goes on."""
    path = folder / "last" / "state.npz"
    if not path.exists():
        return "no checkpoint yet"
    state = read_record(path)["state"]
    return f"kept {len(state['history']['rows'])} epochs and {state['step']} steps"


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
