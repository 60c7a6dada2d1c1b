"""A run's folder: one process at a time, and nothing begins again over a history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fr_models.train.recipe import Recipe
from fr_models.train.run_folder import RunFolder, with_absolute_paths

HOLD = (
    "import sys, time\n"
    "from fr_models.train.run_folder import RunFolder\n"
    "with RunFolder(sys.argv[1]).held():\n    print('held', flush=True)\n    time.sleep(600)"
)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Who comes second is refused; a process that is killed lets go."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with (
            pytest.raises(ValueError, match="another process trains in this folder"),
            RunFolder(tmp_path).held(),
        ):
            pass
        other.send_signal(signal.SIGKILL)
    for _ in range(2):
        with RunFolder(tmp_path).held():
            pass


def test_history_without_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.expect_no_epochs()
    folder.history.write_text("\n")  # that of no epoch
    folder.expect_no_epochs()
    folder.history.write_text("epoch,loss\n1,2.5\n")
    with pytest.raises(ValueError, match=r"state\.npz: no such file, expected .* epochs in .*history\.csv"):
        folder.expect_no_epochs()


def test_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is named from the root; what is not, or is no path, is left to who opens it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mit Leer ü").mkdir()
    sets = {
        "a": "mit Leer ü",
        "b": {"path": "mit Leer ü", "kind": "folder"},
        "c": "nowhere.bin",
        "d": 3,
        "e": [1],
    }
    recipe = Recipe.from_dict(
        {
            "model": {"name": "r18"},
            "stages": [{"epochs": 1, "loss": "ArcFace"}],
            "data": {"path": "mit Leer ü"},
            "evaluate": {"sets": sets},
        }
    )
    found = with_absolute_paths(recipe)
    there = str(tmp_path / "mit Leer ü")
    assert found.data.path == there
    assert found.evaluate.sets["a"] == {"path": there}
    assert found.evaluate.sets["b"] == {"path": there, "kind": "folder"}
    assert found.evaluate.sets["c"] == {"path": "nowhere.bin"}
    assert (found.evaluate.sets["d"], found.evaluate.sets["e"]) == (3, [1])
