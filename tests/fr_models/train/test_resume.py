"""A run that is killed, whenever it is, goes on to the history, weights and best model of another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.fr_models.train import _runs

ROOT = Path(__file__).resolve().parents[3]

# Each process goes on from what the one before it left, and dies.
DEATHS = [
    ("step", 6),  # beyond the checkpoint of step 3
    ("before state.npz", 2),  # while a checkpoint is written: the new one lies beside
    ("evaluation", 2),  # at the end of an epoch
]


def process(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "tests.fr_models.train._runs", str(folder), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_killed_runs_end_as_others(tmp_path: Path) -> None:
    """Deaths in a step, a checkpoint and an evaluation: equal to the bit."""
    _runs.prepare(tmp_path)
    action = "run"
    for moment, number in DEATHS:
        done = process(tmp_path / "killed", action, moment, number)
        assert done.returncode == -signal.SIGKILL, (moment, done.stderr[-2000:])
        action = "resume"
    done = process(tmp_path / "killed", "resume", "and", tmp_path / "whole")
    assert done.returncode == 0, done.stderr[-2000:]
    killed, whole = _runs.comparable(tmp_path / "killed"), _runs.comparable(tmp_path / "whole")
    assert killed["state"] == whole["state"]
    assert killed["best"] == whole["best"] == whole["state"]["best"]
    different = [name for name, array in whole["arrays"].items() if killed["arrays"].get(name) != array]
    assert not different and killed["arrays"].keys() == whole["arrays"].keys()
    rows = whole["state"]["history"]["rows"]
    assert [(row["epoch"], row["stage"]) for row in rows] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert len({row["loss"] for row in rows}) == 4
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left == {
        *("recipe.yaml", "versions.json", "history.csv", "history_hist.json", "evaluations.csv"),
        *("best.keras", "best.json", "last", "tensorboard"),
    }
