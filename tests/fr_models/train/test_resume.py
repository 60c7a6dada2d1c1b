"""A run that is killed, whenever it is, goes on to the history, weights and best model of another."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fr_eval import InputError
from fr_models.train.checkpoints import read_record
from fr_models.train.stage_run import StageRun
from fr_models.train.trainer import Trainer

from tests.fr_models.train import _runs

ROOT = Path(__file__).resolve().parents[3]

# Each process goes on from what the one before it left, and dies.
DEATHS = [
    ("step", 6),  # beyond the checkpoint of step 3
    ("before state.npz", 2),  # while a checkpoint is written: the new one lies beside
    ("evaluation", 2),  # after the one that the last death left out: the epoch's, whose steps are kept
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
    at = read_record(tmp_path / "killed" / "last" / "state.npz")["state"]
    assert (at["epoch"], at["step"], len(at["history"]["rows"])) == (1, _runs.STEPS, 1)
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


def test_unreadable_image_of_an_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch before it is not lost: when the image is mended, its evaluation is all that is left to do."""
    _runs.prepare(tmp_path)
    _runs.write_faces(tmp_path / "tested")
    image = tmp_path / "tested" / "n3" / "1.png"
    content = image.read_bytes()
    image.write_bytes(b"no image")
    evaluate = {"sets": {"all": str(tmp_path / "tested")}}
    stages = [{"epochs": 1, "loss": "softmax"}]
    recipe = _runs.recipe(tmp_path, evaluate=evaluate, stages=stages, deterministic=False)
    with pytest.raises(InputError, match=r"tested/n3/1\.png"):
        Trainer(recipe, tmp_path / "run").run()
    image.write_bytes(content)
    monkeypatch.setattr(StageRun, "step", None)
    history = Trainer.resume(tmp_path / "run")
    assert [row["epoch"] for row in history.rows] == [1]
    assert math.isfinite(history.rows[0]["loss"]) and "all.tar@0.01" in history.rows[0]
    about = json.loads((tmp_path / "run" / "best.json").read_text())["about"]
    assert (about["epoch"], about["step"]) == (1, _runs.STEPS)


def test_time_of_an_epoch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of an epoch that two processes trained has the time of both, and the share of both."""
    _runs.prepare(tmp_path)
    stages = [{"epochs": 1, "loss": "softmax"}]
    recipe = _runs.recipe(tmp_path, stages=stages, evaluate={}, checkpoint_every=2, deterministic=False)
    train, steps = StageRun.step, 0

    def slowly(run: StageRun, batch: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:  # a checkpoint has just been written
            raise KeyError("stopped")
        time.sleep(0.2)
        return train(run, batch)

    monkeypatch.setattr(StageRun, "step", slowly)
    with pytest.raises(KeyError, match="stopped"):
        Trainer(recipe, tmp_path / "run").run()
    path = tmp_path / "run" / "last" / "state.npz"
    record = read_record(path)
    assert record["state"]["computing"] >= 2 * 0.2 and record["state"]["waiting"] > 0
    record["state"] |= {"waiting": 900.0, "computing": 2700.0}  # as if there had been more to do
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"record.json": json.dumps(record).encode()}).items():
            archive.writestr(name, content)
    (row,) = Trainer.resume(tmp_path / "run").rows
    assert 3600 < row["seconds"] < 3700
    assert row["input_bound"] == pytest.approx(0.25, abs=0.01)
    assert [read_record(path)["state"][name] for name in ("waiting", "computing")] == [0.0, 0.0]


def test_evaluation_at_some_epochs(tmp_path: Path) -> None:
    """``every_epochs: 2`` measures the second epoch and the last; the others have no figures."""
    _runs.prepare(tmp_path)
    evaluate = {"sets": {"all": str(tmp_path / "faces")}, "every_epochs": 2}
    stages = [{"epochs": 1, "loss": "softmax"}, {"epochs": 2, "loss": "ArcFace"}]
    recipe = _runs.recipe(tmp_path, evaluate=evaluate, stages=stages, ema=None, deterministic=False)
    history = Trainer(recipe, tmp_path / "run").run()
    assert ["all.tar@0.01" in row for row in history.rows] == [False, True, True]
    assert all(math.isfinite(row["loss"]) for row in history.rows)
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert [line.endswith(",,,") for line in lines[1:]] == [True, False, False]
