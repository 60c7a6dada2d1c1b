"""Training on several devices or workers is training on one; checkpoints go on with any number of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fr_models.train.distribution import strategy_of

from tests.fr_models.train import _runs

ROOT = Path(__file__).resolve().parents[3]
HEADS = ("softmax", "dense", "fused", "partial", "sampled")


def start(folder: Path, devices: int, jobs: list[list[str]], **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fr_models.train._devices", str(folder), json.dumps(jobs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "DEVICES": str(devices), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(process: subprocess.Popen[str]) -> list[Any]:
    out, err = process.communicate()
    assert process.returncode == 0, err[-4000:]
    line = next(line for line in out.splitlines() if line.startswith("RESULTS"))
    return json.loads(line.removeprefix("RESULTS"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("devices")
    _runs.write_faces(place / "faces")
    _runs.write_backbone(place / "plain.keras", batch_norm=False, dropout=0.0)
    return place


@pytest.fixture(scope="module")
def one(folder: Path) -> dict[str, list[float]]:
    """Losses of steps on one device, by head."""
    heads = (*HEADS, "sampled, two epochs")
    found = losses(start(folder, 1, [["run", head, f"one {head}"] for head in heads]))
    return dict(zip(heads, found, strict=True))


@pytest.mark.slow
def test_two_replicas_and_other_numbers_of_shards(folder: Path, one: dict[str, list[float]]) -> None:
    """The losses of every step agree, also after a checkpoint of two shards is resumed on one and on four."""
    jobs = [["run", head, f"two {head}"] for head in HEADS]
    for head, found in zip(HEADS, losses(start(folder, 2, jobs)), strict=True):
        assert len(found) == _runs.STEPS and found == pytest.approx(one[head], rel=1e-5), head
    whole = one["sampled, two epochs"]
    for count in (1, 4):  # the first of two epochs has been trained on two shards
        run = folder / f"resumed on {count}"
        shutil.copytree(folder / "two sampled", run)
        for name, key in (("recipe.yaml", " epochs: "), ("versions.json", '"epochs": ')):
            text = (run / name).read_text()
            assert f"{key}1" in text
            (run / name).write_text(text.replace(f"{key}1", f"{key}2"))
        (found,) = losses(start(folder, count, [["resume", "sampled, two epochs", run.name]]))
        assert found == pytest.approx(whole[_runs.STEPS :], rel=1e-5), count


@pytest.mark.slow
def test_two_workers(folder: Path, one: dict[str, list[float]]) -> None:
    """Two processes on this machine; the first writes the run folder."""
    ports = [_free_port() for _ in range(2)]
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    jobs = [["run", head, f"workers {head}"] for head in HEADS]
    processes = [
        start(
            folder,
            1,
            jobs,
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": n}}),
        )
        for n in range(2)
    ]
    first, second = (losses(process) for process in processes)
    for head, of_first, of_second in zip(HEADS, first, second, strict=True):
        assert of_first == of_second == pytest.approx(one[head], rel=1e-5), head
    assert (folder / "workers partial" / "best.keras").exists()


def test_no_workers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for config in ("", "{}", '{"cluster": {"worker": []}}', "workers"):
        monkeypatch.setenv("TF_CONFIG", config)
        with pytest.raises(ValueError, match=r"multi_worker expects the environment variable TF_CONFIG"):
            strategy_of("multi_worker")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])
