"""``fr-train``: the main job by one command, and one line for what cannot be right."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fr_eval.embedders import load_embedder
from fr_models.train import cli
from fr_models.train.recipe import packaged_recipes

from tests.commands import Run, output_without, runner
from tests.fr_eval.faces import face
from tests.fr_models.train import _runs


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-train", cli.main, monkeypatch, capsys)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _runs.prepare(tmp_path_factory.mktemp("train"))
    recipe = _runs.recipe(folder, deterministic=False)
    settings = recipe.to_dict()
    del settings["data"]["path"]
    settings["stages"] = settings["stages"][1:]
    (folder / "recipe.yaml").write_text(type(recipe).from_dict(settings).to_yaml())
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["recipes"]])
def test_help_without_tensorflow(arguments: list[str]) -> None:
    output = output_without(["tensorflow", "keras", "pandas", "h5py"], "fr_models.train.cli", arguments)
    assert "Usage:" in output or "recipe" in output


def test_run_export_resume(run: Run, prepared: Path, tmp_path: Path) -> None:
    """One command trains; the best model is an embedder of fr-eval; a run that has ended stays as it is."""
    folder = tmp_path / "runs" / "first"
    given = ["--data", prepared / "faces", "-o", folder, "--set", "stages.0.epochs=2", "--set", "seed=9"]
    code, out, err = run("run", prepared / "recipe.yaml", *given)
    assert code == 0, err
    assert "epoch 2 (stage 1): loss" in err and f"{folder}: best.keras" in out
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2] and history["loss"].gt(0).all()
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["data"]["images"] == _runs.PEOPLE * _runs.IMAGES
    assert len(versions["data"]["sha256"]) == 64 and versions["packages"]["numpy"]

    before = (folder / "history.csv").read_text()
    code, _, err = run("resume", folder)
    assert code == 0, err
    assert (folder / "history.csv").read_text() == before

    code, out, err = run("export-best", folder, "-o", tmp_path / "net.keras")
    assert code == 0 and "all.tar@0.01" in out, err
    images = np.stack([face(0, 0), face(1, 0)])
    embeddings = load_embedder(tmp_path / "net.keras")(images)
    np.testing.assert_array_equal(embeddings, load_embedder(folder / "best.keras")(images))
    for suffix in (".keras", ".json"):
        exported, best = (tmp_path / "net").with_suffix(suffix), (folder / "best").with_suffix(suffix)
        assert exported.read_bytes() == best.read_bytes()
    (tmp_path / "shared.onnx").touch()
    (tmp_path / "shared.json").write_text('{"size": [32, 32], "scale": 1.0, "offset": 0.0, "colour": "RGB"}')
    code, _, err = run("export-best", folder, "-o", tmp_path / "shared.keras")
    assert code == 2 and "shared.json: is the sidecar of shared.onnx, too" in err, err
    assert not (tmp_path / "shared.keras").exists()
    assert embeddings.shape == (2, 16) and np.isfinite(embeddings).all()

    code, _, err = run("run", prepared / "recipe.yaml", *given)
    assert code == 2 and err.count("\n") == 1 and "holds a run already; fr-train resume" in err


@pytest.mark.slow
def test_interrupted_between_steps(prepared: Path, tmp_path: Path) -> None:
    """Ctrl-C: the step in hand is kept, the exit code is 130, and the run goes on from there."""
    folder = tmp_path / "run"
    code = (
        "import os, signal, sys\n"
        "from fr_models.train import cli, stage_run\n"
        "step = stage_run.StageRun.step\n"
        "count = 0\n"
        "def interrupting(*arguments):\n"
        "    global count\n"
        "    count += 1\n"
        "    if count == 2:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return step(*arguments)\n"
        "stage_run.StageRun.step = interrupting\n"
        "cli.main()"
    )
    arguments = ["run", str(prepared / "recipe.yaml"), "--data", str(prepared / "faces"), "-o", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr[-2000:]
    from fr_models.train.checkpoints import read_record

    assert read_record(folder / "last" / "state.npz")["state"]["step"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing.yaml"], "nothing.yaml: no such file"),
        (["run", "RECIPE"], "data.path: missing; fr-train run --data gives it, too"),
        (["run", "RECIPE", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["run", "RECIPE", "--data", "no: 'faces' #2"], "no: 'faces' #2: no such file or folder"),
        (["run", "RECIPE", "--data", "2024"], "fr-train: 2024: no such file or folder"),
        (
            ["run", "RECIPE", "--set", "data.batch_sise=4"],
            "data.batch_sise: no such key, did you mean batch_size",
        ),
        (["run", "RECIPE", "--set", "seed"], "seed: expected key.path=value"),
        (["run", "RECIPE", "--data", "FACES", "--set", "data.batch_size=64"], "data.batch_size"),
        (["run", "RECIPE", "--data", "FACES", "--set", "evaluate.best=all.auc"], "'all.auc': no such figure"),
        (
            ["run", "RECIPE", "--data", "FACES", "--set", "stages.0.loss.margn=1"],
            "stages[0].loss.margn: AdaFace has no such argument, did you mean margin",
        ),
        (["resume", "nowhere"], "nowhere: not the folder of a run: no recipe.yaml"),
        (["export-best", "nowhere", "-o", "x.keras"], "nowhere: no best.keras yet"),
        (["export-best", "nowhere", "-o", "x.h5"], "--output: expected a .keras file, got x.h5"),
    ],
)
def test_bad_input(
    arguments: list[str],
    message: str,
    run: Run,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"RECIPE": prepared / "recipe.yaml", "FACES": prepared / "faces"}
    code, _, err = run(*(places.get(argument, argument) for argument in arguments))
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith("fr-train: ") and message in err
    assert not (tmp_path / "runs").exists()


def test_unreadable_image(run: Run, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "faces", tmp_path / "faces")
    (tmp_path / "faces" / "n3" / "1.png").write_bytes(b"no image")
    code, _, err = run(
        *("run", prepared / "recipe.yaml", "--data", tmp_path / "faces", "-o", tmp_path / "run"),
        *("--set", "evaluate.sets={}", "--set", "data.augmentation.horizontal_flip=0"),
    )
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith(f"fr-train: data: {tmp_path}/faces/n3/1.png: "), err
    shutil.copy(tmp_path / "faces" / "n3" / "2.png", tmp_path / "faces" / "n3" / "1.png")
    code, _, err = run("resume", tmp_path / "run")
    assert code == 2 and err.count("\n") == 1, err
    assert "versions.json: trained on other images: of SHA-256 " in err


@pytest.mark.parametrize("content", [b"no image", b""])
def test_skipped_image_is_named(run: Run, prepared: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(prepared / "faces", tmp_path / "faces")
    (tmp_path / "faces" / "n3" / "1.png").write_bytes(content)
    given = ["data.on_unreadable=skip", "evaluate.sets={}", "stages.0.epochs=2"]
    code, _, err = run(
        *("run", prepared / "recipe.yaml", "--data", tmp_path / "faces", "-o", tmp_path / "run"),
        *(part for setting in given for part in ("--set", setting)),
    )
    assert code == 0, err
    assert err.count(f"data: replaced by others of their classes: {tmp_path}/faces/n3/1.png: ") == 1


def test_error_of_a_device_is_one_line(
    run: Run, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf
    from fr_models.train.stage_run import StageRun

    @tf.function
    def step(labels: tf.Tensor) -> None:
        tf.debugging.assert_less(labels, 6, "labels: expected class numbers below 6, the class count")

    monkeypatch.setattr(StageRun, "step", lambda run, batch: step(tf.constant([5, 6])))
    given = ["--data", prepared / "faces", "-o", tmp_path / "run"]
    code, _, err = run("run", prepared / "recipe.yaml", *given)
    assert code == 2, err
    expected = "labels: expected class numbers below 6, the class count"
    assert err == f"fr-train: epoch 1, step 1: {expected}\n"


def test_missing_fr_losses(run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_models.train.cli._training.find_spec", lambda _: None)
    code, _, err = run("run", prepared / "recipe.yaml", "--data", prepared / "faces")
    assert code == 2 and err == "fr-train: training needs fr-losses: python -m pip install fr-losses\n"


def test_recipes_are_listed(run: Run) -> None:
    code, out, _ = run("recipes")
    assert code == 0
    for name in packaged_recipes():
        assert name in out


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
        patch.setattr("fr_models.train.trainer._line", _stop)
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
