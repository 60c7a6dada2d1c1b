"""A run's folder: one process at a time, and nothing begins again over a history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.convert import convert_dataset
from fr_models.train.recipe import Recipe
from fr_models.train.run_folder import RunFolder, digest_record, with_absolute_paths

from tests.fr_models.data.datasets import mixed_faces

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


def test_a_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with RunFolder(tmp_path).held(), RunFolder(tmp_path).held():
        pass


@pytest.mark.parametrize("left", ["last/state.npz", "best.keras"])
def test_what_another_run_left(tmp_path: Path, left: str) -> None:
    """Its best model, or its weights, would be taken for the new run's."""
    (tmp_path / "last").mkdir()
    RunFolder(tmp_path).expect_new()
    (tmp_path / left).touch()
    with pytest.raises(
        ValueError, match=rf"{left}: of a run without its recipe\.yaml, expected a new folder"
    ):
        RunFolder(tmp_path).expect_new()


def test_history_without_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.expect_no_epochs()
    folder.history.write_text("\n")  # that of no epoch
    folder.expect_no_epochs()
    folder.history.write_text("epoch,loss\n1,2.5\n")
    with pytest.raises(ValueError, match=r"state\.npz: no such file, expected .* epochs in .*history\.csv"):
        folder.expect_no_epochs()


def flip(path: Path, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord"])
def test_images_that_are_skipped_have_no_digest(tmp_path: Path, kind: str) -> None:
    """A file without bytes, a record without its frame: a run that skips such images begins all the same."""
    convert_dataset(mixed_faces(), tmp_path / "faces", kind)
    dataset = open_dataset(tmp_path / "faces")
    digest = {"sha256": dataset.digest()}
    assert digest_record(dataset) == digest_record(dataset, skips_unreadable=True) == digest
    if kind == "folders":
        Path(dataset.name(3)).write_bytes(b"")
    elif kind == "recordio":
        line = (tmp_path / "faces" / "train.idx").read_text().splitlines()[4]
        flip(tmp_path / "faces" / "train.rec", int(line.split()[1]))
    else:
        (path,) = (tmp_path / "faces").glob("*.tfrecord")
        flip(path, int(np.load(tmp_path / "faces" / "tfrecord.npy")[0, 3]))
    dataset = open_dataset(tmp_path / "faces")
    with pytest.raises(ValueError, match=r"no bytes|record \d+ at byte"):
        digest_record(dataset)
    assert digest_record(dataset, skips_unreadable=True) == {}


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
