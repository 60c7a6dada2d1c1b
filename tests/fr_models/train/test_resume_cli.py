"""``fr-train resume``: a run goes on where it stopped, or one line says why it cannot."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fr_models.data import Dataset, open_dataset
from fr_models.train.recipe import Recipe

from tests.commands import Run
from tests.fr_models.train import _runs


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _runs.prepare(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that was stopped after the first of two epochs."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    recipe = _runs.recipe(prepared, deterministic=False, evaluate={"sets": {"all": str(prepared / "faces")}})
    settings = recipe.to_dict()
    settings["stages"] = [{"epochs": 2, "loss": "softmax", "optimizer": "SGD"}]
    from fr_models.train.trainer import Trainer

    trainer = Trainer(type(recipe).from_dict(settings), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fr_models.train.trainer.epoch_line", _stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    assert len(pd.read_csv(folder / "history.csv")) == 1 and (folder / "best.keras").exists()
    return folder


def _stop(row: object) -> str:
    raise KeyboardInterrupt


@pytest.mark.parametrize("harm", ["delete", "empty", "cut", "change"])
@pytest.mark.parametrize(
    "name", ["recipe.yaml", "versions.json", "best.keras", "best.json", "last/state.npz"]
)
def test_damaged_run(name: str, harm: str, run: Run, trained: Path, tmp_path: Path) -> None:
    """One line names the file, and nothing in the folder is touched."""
    folder = shutil.copytree(trained, tmp_path / "run")
    path, content = folder / name, (folder / name).read_bytes()
    middle = len(content) // 2
    harmed = {
        "empty": b"",
        "cut": content[:middle],
        "change": content[:middle] + bytes([content[middle] ^ 128]) + content[middle + 1 :],
    }
    if harm == "delete":
        path.unlink()
    else:
        path.write_bytes(harmed[harm])
    before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    code, _, err = run("resume", folder)
    assert code == 2 and err.count("\n") == 1 and str(folder) in err, err
    assert path.name in err
    assert {one: one.read_bytes() for one in before} == before


RECORDS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no keys": (lambda record: [record], "record.json: expected keys and values, got list"),
    "no Keras": (lambda record: record.pop("keras"), "written by Keras None"),
    "no data": (lambda record: record.pop("data"), "data: expected keys and values, got None"),
    "no state": (lambda record: record.pop("state"), "state: expected keys and values, got None"),
    "list": (lambda record: record.update(state=[1]), "state: expected keys and values, got [1]"),
    "key": (lambda record: record["state"].update(epok=1), "state: expected the counts and the history"),
    "text": (lambda record: record["state"].update(epoch="1"), "state.epoch: expected a whole number"),
    "stage": (lambda record: record["state"].update(stage=7), "at stage 8, but "),
    "step": (lambda record: record["state"].update(step=9), "at step 9, but "),
    "rows": (lambda record: record["state"]["history"].update(rows=3), "state: expected the counts and"),
    "row": (
        lambda record: record["state"]["history"]["rows"][0].pop("stage"),
        "state.history.rows.0.stage: expected a whole number from 0 on, got None",
    ),
    "no row": (
        lambda record: record["state"]["history"]["rows"].pop(),
        "state.history.rows: expected epochs 1 to 1, got []",
    ),
}


@pytest.mark.parametrize("harm", RECORDS)
def test_record_of_another_shape(harm: str, run: Run, trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "run")
    path, (change, message) = folder / "last" / "state.npz", RECORDS[harm]
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["record.json"])
    changed = change(record)
    members["record.json"] = json.dumps(changed if harm == "no keys" else record).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    code, _, err = run("resume", folder)
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith(f"fr-train: {path}: {message}"), err


def test_recipe_that_was_edited(run: Run, trained: Path, tmp_path: Path) -> None:
    """One line names the key; a run folder of an earlier version, which does not know, goes on."""
    folder = shutil.copytree(trained, tmp_path / "run")
    recipe = Recipe.load(folder / "recipe.yaml")
    (folder / "recipe.yaml").write_text(replace(recipe, seed=8).to_yaml())
    code, _, err = run("resume", folder)
    expected = f"fr-train: {folder}/recipe.yaml: seed: expected 3, with which the run began, got 8\n"
    assert (code, err) == (2, expected)
    versions = json.loads((folder / "versions.json").read_text())
    assert Recipe.from_dict(versions.pop("recipe")) == recipe
    (folder / "versions.json").write_text(json.dumps(versions))
    code, _, err = run("resume", folder)
    assert code == 0, err


def test_images_that_have_moved(
    run: Run, trained: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on with them where they are now; others are refused in one line."""
    folder = shutil.copytree(trained, tmp_path / "run")
    moved = shutil.copytree(prepared / "faces", tmp_path / "moved")
    opened: list[str] = []

    def opening(path: str) -> Dataset:
        opened.append(path)
        return open_dataset(path)

    monkeypatch.setattr("fr_models.train.images.open_dataset", opening)
    before = (folder / "recipe.yaml").read_text()
    (moved / "n3" / "1.png").rename(moved / "n3" / "9.png")
    shutil.copy(moved / "n3" / "2.png", moved / "n3" / "1.png")
    for harm, message in ((False, "expected images 32, got 33"), (True, "expected sha256 ")):
        if harm:
            (moved / "n3" / "9.png").unlink()
        code, _, err = run("resume", folder, "--data", moved)
        assert code == 2 and err.count("\n") == 1, err
        assert err.startswith(f"fr-train: {folder}/versions.json: trained on other images: {message}"), err
    shutil.copy(prepared / "faces" / "n3" / "1.png", moved / "n3" / "1.png")
    code, _, err = run("resume", folder, "--data", moved)
    assert code == 0 and "epoch 2 (stage 1)" in err, err
    assert opened == [str(moved)] * 3 and (folder / "recipe.yaml").read_text() == before
    code, _, err = run("resume", folder, "--data", tmp_path / "nowhere")
    assert (code, err) == (2, f"fr-train: {tmp_path}/nowhere: no such file or folder\n")


def test_run_without_its_best(run: Run, trained: Path, tmp_path: Path) -> None:
    """Where somebody has taken both files away, that is said, and the run looks for another best."""
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "best.keras").unlink()
    (folder / "best.json").unlink()
    code, _, err = run("resume", folder)
    assert code == 0 and f"{folder}: best.keras is gone, the next model takes its place" in err, err
    code, out, err = run("export-best", folder, "-o", tmp_path / "net.keras")
    assert code == 0 and "epoch 2" in out, err


def test_two_runs_in_one_folder(run: Run, trained: Path, tmp_path: Path) -> None:
    from fr_models.train.run_folder import RunFolder

    folder = shutil.copytree(trained, tmp_path / "run")
    with RunFolder(folder).held():
        code, _, err = run("resume", folder)
    assert (code, err) == (2, f"fr-train: {folder}: another process trains in this folder\n")
