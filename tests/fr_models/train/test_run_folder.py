"""A run's folder: one process at a time, and nothing begins again over a history."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.convert import convert_dataset
from fr_models.train.opened_run import OpenedRun
from fr_models.train.recipe import Recipe
from fr_models.train.run_folder import RunFolder, data_record, digest_record, with_absolute_paths

from tests.fr_models.data.datasets import mixed_faces
from tests.fr_models.train import _runs

RECIPE = Recipe.from_dict(
    {
        "model": {"name": "r18"},
        "stages": [{"epochs": 1, "loss": "ArcFace"}],
        "evaluate": {"sets": {"lfw": "lfw.bin"}},
    }
)
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


def test_a_file_in_the_place_of_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ValueError, match=r"file is a file, expected a new run folder \(-o\)"):
            RunFolder(path).expect_new()


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


def test_images_too_many_for_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them are looked at: the same people by other crops are other images."""
    monkeypatch.setattr("fr_models.train.run_folder.MOST_DIGESTED_IMAGES", 3)
    convert_dataset(mixed_faces(), tmp_path / "faces", "folders")
    dataset, folder = open_dataset(tmp_path / "faces"), RunFolder(tmp_path / "run")
    folder.begin(RECIPE, data_record(dataset) | digest_record(dataset))
    folder.expect_images(dataset)
    shutil.copy(dataset.name(1), dataset.name(0))
    with pytest.raises(ValueError, match=r"versions\.json: trained on other images: expected fingerprint "):
        folder.expect_images(open_dataset(tmp_path / "faces"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"batch_size": 64}}, "data.batch_size: expected 128, with which the run began, got 64"),
        ({"stages": [{"epochs": 1, "loss": "ArcFace"}] * 2}, "stages.1: expected None, with"),
        ({"stages": [{"epochs": 2, "loss": "ArcFace"}]}, "stages.0.epochs: expected 1, with"),
        ({"ema": 0.9}, "ema: expected None, with which the run began, got 0.9"),
        ({"evaluate": {"sets": {"lfw": "other.bin"}}}, "evaluate.sets.lfw.path: expected 'lfw.bin', with"),
    ],
)
def test_edited_recipe(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """A run goes on by the recipe that it began with; the first key that differs is named."""
    folder = RunFolder(tmp_path)
    folder.begin(RECIPE, {})
    assert folder.read_recipe() == RECIPE
    assert folder.read_recipe(tmp_path).data.path == str(tmp_path)
    folder.recipe.write_text(replace(RECIPE, distribution="mirrored").to_yaml())
    assert folder.read_recipe().distribution == "mirrored"
    folder.recipe.write_text(Recipe.from_dict({**RECIPE.to_dict(), **changes}).to_yaml())
    with pytest.raises(ValueError, match=re.escape(f"{folder.recipe}: {message}")) as caught:
        folder.read_recipe()
    assert "\n" not in str(caught.value)


def test_synthetic_images_do_not_move(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    synthetic = {"data": {"synthetic": {"identities": 3, "images_per_identity": 2}}}
    folder.begin(Recipe.from_dict({**RECIPE.to_dict(), **synthetic}), {})
    with pytest.raises(ValueError, match=r"^data\.path, synthetic: expected one of the two$"):
        folder.read_recipe("faces")


def opened_run(folder: Path) -> OpenedRun:
    recipe = _runs.recipe(folder, evaluate={}, data={"path": "faces", "batch_size": _runs.BATCH})
    return OpenedRun(recipe, "run")


def test_a_run_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that was begun in Python; that all images are read is seen."""
    monkeypatch.chdir(tmp_path)
    _runs.write_faces(tmp_path / "faces")
    seen: list[tuple[int, int]] = []
    opened_run(tmp_path).begin(lambda done, total: seen.append((done, total)))
    assert RunFolder("run").read_recipe().data.path == str(tmp_path / "faces")
    images = _runs.PEOPLE * _runs.IMAGES
    assert seen == [(images, images)]
    opened_run(tmp_path).last_checkpoint(lambda done, total: seen.append((done, total)))
    assert seen == [(images, images)] * 2


def test_one_of_several_workers_compares_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _runs.write_faces(tmp_path / "faces")
    opened_run(tmp_path).begin()
    worker = opened_run(tmp_path)
    worker.is_chief = False
    monkeypatch.setattr(worker.dataset, "read", pytest.fail)
    assert worker.last_checkpoint()[0] is None


def test_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is named from the root; what is not is left to who opens it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mit Leer ü").mkdir()
    sets = {
        "a": "mit Leer ü",
        "b": {"path": "mit Leer ü", "kind": "folder"},
        "c": "nowhere.bin",
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
