"""The best model: judged by one figure, never lost, never mislabelled."""

from __future__ import annotations

import json
import math
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from fr_eval.embedders import Preprocessing
from fr_models.train import recipe
from fr_models.train.best import MODES, OF_TRAINING, Best
from fr_models.train.best_files import best_record, read_best, settle_best, write_best
from fr_models.train.evaluation import BinPairs, Evaluation, FolderPairs, IjbSet, ListedPairs

SETS: list[Evaluation] = [FolderPairs("lfw", False, Path("faces"))]
PREPROCESSING = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")


def best(folder: Path, sets: list[Evaluation] = SETS, **settings: Any) -> Best:
    return Best(recipe.Evaluation(**settings), sets, folder)


def write(folder: Path, value: float, epoch: int = 1) -> None:
    about = {"metric": "lfw.tar@0.01", "value": value, "epoch": epoch, "step": epoch}
    write_best(folder, lambda path: path.write_text(f"model of {value}") and None, PREPROCESSING, about)


def test_highest_first_of_equals(tmp_path: Path) -> None:
    judge, kept = best(tmp_path), None
    for epoch, value in enumerate([0.5, 0.7, 0.7, math.nan, math.inf, 0.8], 1):
        figures = {"loss": 1.0, "lfw.tar@0.01": value, "lfw.tar@0.001": 0.0}
        kept = judge.better(figures, {"epoch": epoch, "step": epoch}, kept) or kept
        if epoch == 5:
            assert kept == {"metric": "lfw.tar@0.01", "value": 0.7, "epoch": 2, "step": 2}
    assert kept is not None and kept["epoch"] == 6


def test_lowest(tmp_path: Path) -> None:
    judge = best(tmp_path, best="loss")
    first = judge.better({"loss": 2.0}, {"epoch": 1, "step": 1}, None)
    assert first is not None
    assert judge.better({"loss": 3.0}, {"epoch": 2, "step": 2}, first) is None
    assert judge.better({"loss": -math.inf}, {"epoch": 2, "step": 2}, first) is None
    assert judge.better({"loss": 1.0}, {"epoch": 2, "step": 2}, first) is not None
    assert judge.better({"lfw.tar@0.01": 1.0}, {"epoch": 2, "step": 2}, first) is None  # within an epoch


def test_each_figure_knows_its_mode(tmp_path: Path) -> None:
    """A mode is not needed, and a wrong one would keep the worst model."""
    pairs = BinPairs("lfw", False, Path("lfw.bin"))
    for name, better, worse in (("lfw.eer", 0.1, 0.2), ("lfw.auc", 0.9, 0.8), ("loss", 1.0, 2.0)):
        judge, where = best(tmp_path, [pairs], best=name), {"epoch": 2, "step": 2}
        kept = judge.better({name: worse}, where, None)
        assert judge.better({name: better}, where, kept) and not judge.better({name: worse}, where, kept)
    for name, mode in (("loss", "max"), ("lfw.eer", "max"), ("lfw.tar@0.01", "min"), (None, "min")):
        message = rf"^evaluate\.mode: expected {'min' if mode == 'max' else 'max'} for .*, got '{mode}'$"
        with pytest.raises(ValueError, match=message):
            best(tmp_path, [pairs], best=name, mode=mode)
    for name in ("lfw.threshold", "lfw.accuracy_std"):
        with pytest.raises(ValueError, match=rf"^evaluate\.best: '{name}': expected one of loss, eer, "):
            best(tmp_path, [pairs], best=name)
    sets: list[Any] = [BinPairs, ListedPairs, FolderPairs, IjbSet]
    assert {figure for one in sets for figure in one.figures} - {*MODES} == {"threshold", "accuracy_std"}
    assert set(OF_TRAINING) <= {*MODES}


def test_newest_without_a_test_set(tmp_path: Path) -> None:
    judge = best(tmp_path, sets=[], mode="min")
    first = judge.better({"loss": 1.0}, {"epoch": 1, "step": 10}, None)
    second = judge.better({"loss": 9.0}, {"epoch": 2, "step": 20}, first)
    assert second == {"metric": "step", "value": 20.0, "epoch": 2, "step": 20}


def test_figure_that_no_evaluation_gives(tmp_path: Path) -> None:
    """Fewer pairs than folds have no accuracy: that is said, since there is no best model then."""
    judge = best(tmp_path, best="lfw.tar@0.01")
    reason = judge.why_none({"loss": 1.0, "lfw.tar@0.001": 0.5})
    assert reason is not None
    assert reason.startswith("evaluate.best: lfw.tar@0.01 was not measured, but loss, lfw.tar@0.001: ")
    assert "lfw.tar@0.01 is nan" in str(judge.why_none({"lfw.tar@0.01": math.nan}))
    assert "lfw.tar@0.01 is inf: this" in str(judge.why_none({"lfw.tar@0.01": math.inf}))
    assert judge.why_none({"loss": 1.0, "lfw.tar@0.01": 0.5}) is None
    assert best(tmp_path, sets=[]).why_none({"loss": 1.0}) is None


def test_unknown_figure(tmp_path: Path) -> None:
    for figure, meant in {
        "lfw.tar@0.1": "expected one of lfw.tar@0.01, lfw.tar@0.001, lfw.tar@0.0001",
        "lfv.tar@0.01": "did you mean lfw.tar@0.01",
        "los": "did you mean loss",
    }.items():
        with pytest.raises(
            ValueError, match=re.escape(f"evaluate.best: {figure!r}: no such figure, {meant}")
        ):
            best(tmp_path, best=figure)


def test_accuracy_of_an_ijb_set(tmp_path: Path) -> None:
    """It is that of its impostors, of whom there are millions: not measured, and no figure for the best."""
    sets: list[Evaluation] = [IjbSet("ijb", False, tmp_path, "ijbc", tmp_path, True)]
    with pytest.raises(
        ValueError, match=r"'ijb\.accuracy': no such figure, expected one of ijb\.auc, ijb\.eer"
    ):
        best(tmp_path, sets, best="ijb.accuracy")


def test_files_are_an_embedders(tmp_path: Path) -> None:
    write(tmp_path, 0.5, epoch=3)
    assert Preprocessing.beside(tmp_path / "best.keras") == PREPROCESSING
    record = best_record(tmp_path)
    assert record is not None
    assert (record["metric"], record["value"], record["epoch"]) == ("lfw.tar@0.01", 0.5, 3)
    assert sorted(os.listdir(tmp_path)) == ["best.json", "best.keras"]  # noqa: PTH208


@pytest.mark.parametrize(("renamed", "value"), [(0, 0.5), (1, 0.5), (2, 0.9), (3, 0.9)])
def test_killed_between_the_files(
    renamed: int, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of the three renames: the record is that of the model that lies there."""
    write(tmp_path, 0.5)
    replace, left = os.replace, renamed

    def dying(source: Any, target: Any) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", dying)
    if renamed < 3:
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, 0.9, epoch=2)
    else:
        write(tmp_path, 0.9, epoch=2)
    monkeypatch.undo()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model, found = read_best(tmp_path)
    assert (model.decode(), found["about"]["value"]) == (f"model of {value}", value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    settle_best(tmp_path)
    record = best_record(tmp_path)
    assert record is not None and record["value"] == value
    assert (tmp_path / "best.keras").read_text() == f"model of {value}"
    assert not (tmp_path / "best.next.json").exists()


def test_the_model_in_the_folder_counts(tmp_path: Path) -> None:
    """What a killed run wrote after its checkpoint stays; what is gone is no rival any more."""
    assert best(tmp_path).settled(pytest.fail) is None
    write(tmp_path, 0.9, epoch=2)
    assert best(tmp_path).settled(pytest.fail) == {
        "metric": "lfw.tar@0.01",
        "value": 0.9,
        "epoch": 2,
        "step": 2,
    }


def test_the_best_by_another_figure_is_no_rival(tmp_path: Path) -> None:
    """The recipe of a stopped run may be edited: an error rate is not compared with an accuracy."""
    write(tmp_path, 0.9)
    said: list[str] = []
    judge = best(tmp_path, best="loss", mode="min")
    assert judge.settled(said.append) is None
    assert said == [
        f"{tmp_path}: best.keras is the best by lfw.tar@0.01, not loss: the next model takes its place"
    ]
    rival = {"metric": "lfw.tar@0.01", "value": 0.9, "epoch": 1, "step": 1}
    better = judge.better({"loss": 2.0}, {"epoch": 2, "step": 2}, rival)
    assert better == {"metric": "loss", "value": 2.0, "epoch": 2, "step": 2}


@pytest.mark.parametrize("name", ["best.keras", "best.json"])
@pytest.mark.parametrize("harm", ["delete", "cut", "change"])
def test_damaged(name: str, harm: str, tmp_path: Path) -> None:
    """Half a best model is an error; without both files the run begins to look for one."""
    write(tmp_path, 0.5)
    path = tmp_path / name
    content = path.read_bytes()
    if harm == "delete":
        path.unlink()
    else:
        path.write_bytes(content[:-20] if harm == "cut" else content.replace(b"o", b"0"))
    with pytest.raises(
        ValueError, match=r"best\.(keras|json): (missing or damaged|expected the record)"
    ) as caught:
        best(tmp_path).settled(pytest.fail)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"best\.(keras|json)"):
        read_best(tmp_path)
    for one in ("best.keras", "best.json"):
        (tmp_path / one).unlink(missing_ok=True)
    assert best(tmp_path).settled(pytest.fail) is None


def test_damaged_record_of_a_killed_run(tmp_path: Path) -> None:
    write(tmp_path, 0.5)
    for content in ("", "{}", "[]", '{"about": {"sha256": 3}}'):
        (tmp_path / "best.next.json").write_text(content)
        with pytest.raises(ValueError, match=r"best\.next\.json: expected the record of the best model"):
            best(tmp_path).settled(pytest.fail)


def test_sidecar_of_no_run(tmp_path: Path) -> None:
    (tmp_path / "best.keras").touch()
    (tmp_path / "best.json").write_text(json.dumps(PREPROCESSING.to_fields()))
    with pytest.raises(ValueError, match=r"best\.json: expected the record of the best model"):
        best_record(tmp_path)


def test_record_of_another_model(tmp_path: Path) -> None:
    write(tmp_path, 0.5)
    (tmp_path / "best.keras").write_text("another model")
    with pytest.raises(ValueError, match=r"best\.json is not of best\.keras: expected a record"):
        read_best(tmp_path)


def test_read_while_a_run_writes(tmp_path: Path) -> None:
    """Whatever is read belongs together, and the run never misses a file of its own."""
    write(tmp_path, 0.0)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for epoch in range(1, 60):
                write(tmp_path, epoch / 100, epoch)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    seen = set()
    while thread.is_alive():
        model, record = read_best(tmp_path)
        assert model.decode() == f"model of {record['about']['value']}"
        seen.add(model)
    thread.join()
    assert not failed and len(seen) > 1
