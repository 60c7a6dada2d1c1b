"""What the loop says of each epoch: figures of steps that were taken, at the rates of these steps."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from fr_eval import InputError
from fr_models.data import InputClock
from fr_models.train import build, handover, trainer
from fr_models.train.checkpoints import read_record
from fr_models.train.evaluation import FolderPairs
from fr_models.train.stage_run import StageRun
from fr_models.train.trainer import Trainer

from tests.fr_models.train import _runs

SOFTMAX = {"loss": "softmax", "optimizer": "SGD"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _runs.prepare(tmp_path_factory.mktemp("train"))


def recipe(folder: Path, **changes: Any) -> Any:
    return _runs.recipe(folder, deterministic=False, ema=None, **{"evaluate": {}, **changes})


def test_epoch_without_a_finite_step(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figures are none, not 0, which would be the lowest loss; the one after it is trained and judged."""
    step, steps = StageRun.step, 0
    losses: list[float] = []

    def poisoned(run: StageRun, batch: Any) -> Any:
        nonlocal steps
        steps += 1
        images, labels = batch
        second = _runs.STEPS < steps <= 2 * _runs.STEPS
        report = step(run, (images * math.nan if second else images, labels))
        losses.append(run.figures()["loss"])
        return report

    monkeypatch.setattr(StageRun, "step", poisoned)
    evaluate = {"sets": {"all": str(prepared / "faces")}, "best": "loss", "mode": "min"}
    given = recipe(prepared, evaluate=evaluate, stages=[{"epochs": 3, **SOFTMAX}], learning_rate=1e-4)
    first, second, third = Trainer(given, tmp_path / "run").run().rows
    assert [second[name] for name in ("loss", "accuracy", "learning_rate")] == [None] * 3
    assert (second["skipped_steps"], second["all.tar@0.01"]) == (_runs.STEPS, first["all.tar@0.01"])
    finite = [True] * _runs.STEPS
    assert [loss > 0 for loss in losses] == finite + [False] * _runs.STEPS + finite
    assert third["skipped_steps"] == 0 and third["loss"] > 0
    best = json.loads((tmp_path / "run" / "best.json").read_text())["about"]
    assert best["value"] == min(first["loss"], third["loss"]) and best["epoch"] != 2
    said = capsys.readouterr().err
    assert said.count("epoch 2: none of its 4 steps was finite\n") == 1
    assert "epoch 2 (stage 1): loss -, " in said
    assert pd.read_csv(tmp_path / "run" / "history.csv")["loss"].isna().tolist() == [False, True, False]


def test_rate_for_the_classes_of_a_part(prepared: Path, tmp_path: Path) -> None:
    """A head meets one part of a batch at once; a rate too small for its classes is found before training."""
    for parts, rate in ((1, 0.8), (2, 0.3), (2, 0.5)):
        stages = [{"epochs": 9, **SOFTMAX}, {"epochs": 1, "loss": "ArcFace", "partial_fc": rate}]
        opened = Trainer(recipe(prepared, stages=stages, accumulate=parts), tmp_path / "run").opened
        if rate == 0.5:
            opened.backbone()
            continue
        with pytest.raises(ValueError, match=rf"^stages\.1\.partial_fc: expected .*, got {rate}$"):
            opened.backbone()


def test_learning_rate_of_the_last_step(prepared: Path, tmp_path: Path) -> None:
    """Not that of the step to come, as when steps go down between epochs; the next stage counts on."""
    schedule = {"schedule": "steps", "base": 0.1, "epochs": [1, 2]}
    stages = [{"epochs": 2, **SOFTMAX}, {"epochs": 1, **SOFTMAX}]
    history = Trainer(recipe(prepared, learning_rate=schedule, stages=stages), tmp_path / "run").run()
    rates = [row["learning_rate"] for row in history.rows]
    assert rates == pytest.approx([0.1, 0.01, 0.001])
    assert history.to_reference()["lr"] == rates


def test_time_of_evaluations_within_epochs(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is none of the epoch's, or training would look less bound by its input than it is."""
    now = 0.0
    step, measure = StageRun.step, FolderPairs.measure

    def stepping(*arguments: Any) -> Any:
        nonlocal now
        now += 3.0
        return step(*arguments)

    def measuring(*arguments: Any) -> Any:
        nonlocal now
        now += 3600.0
        return measure(*arguments)

    monkeypatch.setattr(trainer, "InputClock", lambda: InputClock(now=lambda: now))
    monkeypatch.setattr(StageRun, "step", stepping)
    monkeypatch.setattr(FolderPairs, "measure", measuring)
    evaluate = {"sets": {"all": str(prepared / "faces")}, "every_steps": 2}
    given = recipe(prepared, evaluate=evaluate, stages=[{"epochs": 1, **SOFTMAX}])
    (row,) = Trainer(given, tmp_path / "run").run().rows
    assert now > 3600 and row["seconds"] == 3.0 * _runs.STEPS


def test_stopped_between_a_checkpoint_and_its_evaluation(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps are kept, and what was to be measured after them is measured first."""

    def refusing(*arguments: Any) -> Any:
        raise InputError("gone")

    evaluate = {"sets": {"all": str(prepared / "faces")}, "every_steps": 3}
    given = recipe(prepared, evaluate=evaluate, stages=[{"epochs": 1, **SOFTMAX}])
    monkeypatch.setattr(FolderPairs, "measure", refusing)
    with pytest.raises(InputError, match="gone"):
        Trainer(given, tmp_path / "run").run()
    monkeypatch.undo()
    assert read_record(tmp_path / "run" / "last" / "state.npz")["state"]["step"] == 3
    history = Trainer.resume(tmp_path / "run")
    assert [row["step"] for row in history.evaluations] == [3] and len(history.rows) == 1


def test_regularisers_of_an_epoch(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their mean, as of the loss that they are taken from; not what they are at the end."""
    step, found = StageRun.step, []

    def stepping(run: StageRun, batch: Any) -> Any:
        found.append(float(tf.add_n(run.model.losses)))
        return step(run, batch)

    monkeypatch.setattr(StageRun, "step", stepping)
    given = _runs.recipe(prepared).to_dict()["model"]
    given = recipe(prepared, model={**given, "l2": 1.0}, stages=[{"epochs": 1, **SOFTMAX}], learning_rate=0.1)
    history = Trainer(given, tmp_path / "run").run()
    assert found[-1] < 0.9 * found[0]
    assert history.rows[0]["regular_loss"] == pytest.approx(sum(found) / len(found), rel=1e-5)
    loss = history.rows[0]["loss"] - history.rows[0]["regular_loss"]
    assert history.to_reference()["loss"] == [pytest.approx(loss)]


def test_images_that_count_sub_centers(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in the dataset's order and as it is, the last part of a batch too."""
    found: list[tuple[Any, Any]] = []

    def counting(model: Any, batches: Any) -> Any:
        found.extend((images.numpy(), labels.numpy()) for images, labels in batches)
        return handover.count_sub_centers(model, found)

    monkeypatch.setattr(build, "count_sub_centers", counting)
    three = {"epochs": 1, "loss": "ArcFace", "sub_centers": 3}
    data = {"path": str(prepared / "faces"), "batch_size": 7, "augmentation": {"level": 3}}
    given = recipe(prepared, data=data, stages=[three, {"epochs": 1, "loss": "ArcFace"}])
    trained = Trainer(given, tmp_path / "run")
    trained.run()
    images, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    np.testing.assert_array_equal(labels, trained.dataset.labels)
    decoded = [cv2.imdecode(np.frombuffer(trained.dataset.read(i), np.uint8), 1) for i in range(len(labels))]
    np.testing.assert_allclose(images, (np.stack(decoded)[..., ::-1] - 127.5) / 128, atol=1e-6)


def test_stopped_while_sub_centers_are_counted(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupting(model: Any, batches: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return handover.count_sub_centers(model, batches)

    three = {"epochs": 1, "loss": "ArcFace", "sub_centers": 3}
    given = recipe(prepared, stages=[three, {"epochs": 1, "loss": "ArcFace"}])
    monkeypatch.setattr(build, "count_sub_centers", interrupting)
    with pytest.raises(KeyboardInterrupt):
        Trainer(given, tmp_path / "run").run()
    monkeypatch.undo()
    assert [row["stage"] for row in Trainer.resume(tmp_path / "run").rows] == [1, 2]


def test_evaluation_at_steps_that_end_epochs(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sixth step of epochs of four: within the second, at the end of the third; all measured once."""
    measure, measured = FolderPairs.measure, 0

    def counted(*arguments: Any) -> Any:
        nonlocal measured
        measured += 1
        return measure(*arguments)

    monkeypatch.setattr(FolderPairs, "measure", counted)
    evaluate = {"sets": {"all": str(prepared / "faces")}, "every_steps": 6, "every_epochs": 4}
    given = recipe(prepared, evaluate=evaluate, stages=[{"epochs": 4, **SOFTMAX}])
    rows = Trainer(given, tmp_path / "run").run().rows
    found = pd.read_csv(tmp_path / "run" / "evaluations.csv")
    assert found["step"].tolist() == [6, 12] and measured == 3
    assert ["all.tar@0.01" in row for row in rows] == [False, False, True, True]
    assert found["all.tar@0.01"].tolist()[1] == rows[2]["all.tar@0.01"]
