"""What TensorBoard, Weights & Biases and MLflow are told; services are stand-ins, event files are real."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from fr_models.train.callbacks import Callback, MLflow, TensorBoard, WeightsAndBiases, numbers
from fr_models.train.recipe import TRACKERS
from fr_models.train.stage_run import StageRun
from fr_models.train.trainer import Trainer

from tests.fr_models.train import _runs

FIGURES = {"epoch": 2, "loss": 0.5, "lfw.tar@0.001": 0.25, "note": None}
NUMBERS = {"epoch": 2.0, "loss": 0.5, "lfw.tar@0.001": 0.25}


def test_tensorboard_reads_back(tmp_path: Path) -> None:
    callback = TensorBoard()
    callback.on_begin(tmp_path, {})
    callback.on_figures(7, FIGURES)
    callback.on_end(None)
    (file,) = (tmp_path / "tensorboard").iterdir()
    read = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert event.step == 7 and value.metadata.plugin_data.plugin_name == "scalars"
            read[value.tag] = float(tf.make_ndarray(value.tensor))
    assert read == NUMBERS


class FakeWandb(types.ModuleType):
    def __init__(self) -> None:
        super().__init__("wandb")
        self.calls: list[Any] = []

    def init(self, **settings: Any) -> FakeWandb:
        self.calls.append(settings)
        return self

    def log(self, figures: Any, step: int) -> None:
        self.calls.append((step, figures))

    def finish(self, exit_code: int) -> None:
        self.calls.append(f"finished {exit_code}")


def test_wandb_goes_on_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id is drawn once, so that a resumed run has it, and another folder of the same name has not."""
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for place in ("here/first", "here/first", "there/first"):
        callback = WeightsAndBiases(project="faces")
        callback.on_begin(tmp_path / place, {"seed": 1})
        callback.on_figures(7, FIGURES)
        callback.on_end(None)
    opened = wandb.calls[::3]
    for settings in opened:
        assert (settings["name"], settings["resume"], settings["project"]) == ("first", "allow", "faces")
        assert settings["config"] == {"seed": 1} and len(settings["id"]) >= 16
    first, resumed, other = (settings["id"] for settings in opened)
    assert first == resumed != other
    assert (tmp_path / "here/first/wandb_run.txt").read_text() == f"{first}\n"
    assert wandb.calls[1::3] == [(7, NUMBERS)] * 3 and wandb.calls[2::3] == ["finished 0"] * 3


class FakeMLflow(types.ModuleType):
    def __init__(self) -> None:
        super().__init__("mlflow")
        self.calls: list[Any] = []

    def start_run(self, **settings: Any) -> Any:
        self.calls.append(settings)
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="abc"))

    def log_dict(self, values: Any, name: str) -> None:
        self.calls.append((name, values))

    def log_metrics(self, figures: Any, step: int) -> None:
        assert not any("@" in name for name in figures)
        self.calls.append((step, figures))

    def end_run(self, status: str) -> None:
        self.calls.append(status)


def test_mlflow_goes_on_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = FakeMLflow()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    for _ in range(2):
        callback = MLflow(run_name="faces")
        callback.on_begin(tmp_path, {"seed": 1})
        callback.on_figures(7, FIGURES)
        callback.on_end(None)
    first, recipe, logged, _, second, *_ = mlflow.calls
    assert first == {"run_name": "faces"} and second == {"run_id": "abc"}
    assert recipe == ("recipe.yaml", {"seed": 1})
    assert logged == (7, {"epoch": 2.0, "loss": 0.5, "lfw.tar_at_0.001": 0.25})


@pytest.mark.parametrize(("kind", "package"), [(WeightsAndBiases, "wandb"), (MLflow, "mlflow")])
def test_missing_packages(kind: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"needs {package}: python -m pip install 'fr-models\[{package}\]'"
    ):
        kind()


@pytest.mark.parametrize(
    ("error", "failed"), [(KeyError("stopped"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_recipe_names_who_is_told(
    error: BaseException, failed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both services hear of every epoch and of an error, under one id when a run is resumed; or none does."""
    wandb, mlflow = FakeWandb(), FakeMLflow()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    _runs.prepare(tmp_path)
    settings = {"stages": [{"epochs": 2, "loss": "softmax"}], "evaluate": {}, "deterministic": False}
    step, left = StageRun.step, _runs.STEPS

    def failing(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == -1:
            raise error
        return step(*arguments)

    monkeypatch.setattr(StageRun, "step", failing)
    recipe = _runs.recipe(tmp_path, **settings, trackers=["wandb", "mlflow"])
    assert recipe.trackers == TRACKERS
    with pytest.raises(type(error)):
        Trainer(recipe, tmp_path / "told").run()
    first, second = Trainer.resume(tmp_path / "told").rows
    opened, logged, ended, again, logged_again, ended_again = wandb.calls
    assert opened["config"] == recipe.to_dict() and again["id"] == opened["id"]
    assert logged == (_runs.STEPS, numbers(first)) and logged_again == (2 * _runs.STEPS, numbers(second))
    assert (ended, ended_again) == ("finished 1", "finished 0")
    begun, written, metrics, ended, resumed, _, ended_again = mlflow.calls
    assert (begun, written) == ({}, ("recipe.yaml", recipe.to_dict()))
    assert metrics[0] == _runs.STEPS and metrics[1]["loss"] == first["loss"]
    assert resumed == {"run_id": "abc"} and (ended, ended_again) == (failed, "FINISHED")
    Trainer(_runs.recipe(tmp_path, **settings), tmp_path / "silent").run()
    assert (len(wandb.calls), len(mlflow.calls)) == (6, 7)


class Told(Callback):
    """Writes down what it is told, and may refuse to begin."""

    def __init__(self, calls: list[str], name: str, refuses: bool = False) -> None:
        self.calls, self.name, self.refuses = calls, name, refuses

    def on_begin(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        if self.refuses:
            raise ConnectionError("no such service")
        self.calls.append(f"{self.name} begins")

    def on_end(self, error: BaseException | None) -> None:
        self.calls.append(f"{self.name} ends by {type(error).__name__}")


def test_who_has_begun_is_told_of_the_end(tmp_path: Path) -> None:
    """Also where another one cannot begin, or a run of a service would stay open."""
    _runs.prepare(tmp_path)
    calls: list[str] = []
    callbacks = [Told(calls, "first"), Told(calls, "second", refuses=True), Told(calls, "third")]
    recipe = _runs.recipe(tmp_path, evaluate={}, deterministic=False)
    with pytest.raises(ConnectionError):
        Trainer(recipe, tmp_path / "run", callbacks).run()
    assert calls == ["first begins", "first ends by ConnectionError"]


def test_a_recipe_that_names_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    _runs.prepare(tmp_path)
    message = r"^tracking needs wandb: python -m pip install 'fr-models\[wandb\]'$"
    with pytest.raises(ImportError, match=message):
        Trainer(_runs.recipe(tmp_path, trackers=["wandb"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
