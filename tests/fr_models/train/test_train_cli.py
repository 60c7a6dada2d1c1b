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
from fr_models.train.cli import _training
from fr_models.train.recipe import packaged_recipes

from tests.commands import Run, output_without, run_without
from tests.fr_eval.faces import face
from tests.fr_models.train import _runs


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


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "evaluate={best: lfw.auc}",
            "evaluate.best: 'lfw.auc': no such figure, expected one of accuracy",
        ),
        ("evaluate={sets: {lfw: nowhere.bin}}", "evaluate.sets.lfw.path: expected a file, there is none at"),
    ],
)
def test_wrong_evaluations_are_told_without_tensorflow(setting: str, message: str, tmp_path: Path) -> None:
    done = run_without(["tensorflow"], "fr_models.train.cli", ["run", "demo", "--set", setting], tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"fr-train: {message}"), done.stderr


def test_a_word_while_tensorflow_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(_training, "quiet_tensorflow", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), _training.training(tmp_path):
        pass
    assert capsys.readouterr().err == "fr-train: loading TensorFlow\n"


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

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, _, err = run("resume", folder)
    assert code == 0, err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

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

    code, _, err = run("run", prepared / "recipe.yaml", "--data", "nowhere", "-o", folder)
    assert code == 2 and err.count("\n") == 1 and "holds a run already; fr-train resume" in err


@pytest.mark.slow
def test_interrupted_between_steps(prepared: Path, tmp_path: Path) -> None:
    """Ctrl-C: the step in hand is kept, the exit code is 130, and it says how the run goes on."""
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
    assert done.stderr.endswith(f"fr-train: interrupted; fr-train resume {folder} goes on\n"), done.stderr
    from fr_models.train.checkpoints import read_record

    assert read_record(folder / "last" / "state.npz")["state"]["step"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing.yaml"], "nothing.yaml: no such file"),
        (["run", "RECIPE"], "data.path: missing; fr-train run --data gives it, too"),
        (["run", "RECIPE", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["run", "RECIPE", "--data", "no: 'faces' #2"], "no: 'faces' #2: no such file or folder"),
        (["run", "demo", "--data", "nowhere"], "nowhere: no such file or folder"),
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
            "stages.0.loss.margn: AdaFace has no such argument, did you mean margin",
        ),
        (
            ["run", "RECIPE", "--data", "FACES", "--set", "stages.0.partial_fc=0.5"],
            "stages.0.partial_fc: expected 1 or more, to draw the 8 classes that a batch may have of 8, got",
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


@pytest.mark.parametrize(
    ("place", "relation"),
    [
        ("faces", "is"),
        ("faces/run", "lies in"),
        ("faces/n0", "lies in"),
        ("link/run", "lies in"),
        (".", "holds"),
    ],
)
def test_a_run_folder_that_is_not_apart_from_the_images(
    run: Run,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    relation: str,
) -> None:
    """It is refused before anything is written; such a run could not be resumed."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(prepared / "faces", "faces")
    Path("link").symlink_to("faces")
    before = sorted(Path().rglob("*"))
    given = ["--data", "faces", "-o", place, "--set", "evaluate.sets={}", "--set", "evaluate.best=loss"]
    code, _, err = run("run", prepared / "recipe.yaml", *given)
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith(f"fr-train: {place}: {relation} the folder of data.path, faces: "), err
    assert "expected a run folder (-o) apart from the images" in err
    assert sorted(Path().rglob("*")) == before


def test_unreadable_image(run: Run, prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "faces", tmp_path / "faces")
    (tmp_path / "faces" / "n3" / "1.png").write_bytes(b"no image")
    code, _, err = run(
        *("run", prepared / "recipe.yaml", "--data", tmp_path / "faces", "-o", tmp_path / "run"),
        *("--set", "evaluate.sets={}", "--set", "data.augmentation.horizontal_flip=0"),
    )
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith(f"fr-train: data: {tmp_path}/faces/n3/1.png: "), err
    recipe = tmp_path / "run" / "recipe.yaml"
    assert err.endswith(f" once {recipe} says data.on_unreadable: skip\n"), err
    recipe.write_text(recipe.read_text().replace("on_unreadable: stop", "on_unreadable: skip"))
    code, _, err = run("resume", tmp_path / "run")
    assert code == 0, err
    assert err.count(f"data: replaced by others of their classes: {tmp_path}/faces/n3/1.png: ") == 1
    shutil.copy(tmp_path / "faces" / "n3" / "2.png", tmp_path / "faces" / "n3" / "1.png")
    code, _, err = run("resume", tmp_path / "run")
    assert code == 2 and err.count("\n") == 1, err
    assert "versions.json: trained on other images: expected sha256 " in err


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


def test_images_instead_of_synthetic_ones(run: Run, prepared: Path, tmp_path: Path) -> None:
    code, _, err = run(
        *("run", prepared / "recipe.yaml", "--data", prepared / "faces", "-o", tmp_path / "run"),
        *("--set", "data.synthetic={identities: 3}", "--set", "stages.0.epochs=1"),
    )
    assert code == 0, err
    versions = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert versions["data"]["classes"] == _runs.PEOPLE
    assert "identities" not in (tmp_path / "run" / "recipe.yaml").read_text()


def test_missing_fr_losses(run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_models.train.cli._training.find_spec", lambda _: None)
    code, _, err = run("run", prepared / "recipe.yaml", "--data", prepared / "faces")
    assert code == 2 and err == "fr-train: training needs fr-losses: python -m pip install fr-losses\n"


def test_recipes_are_listed(run: Run) -> None:
    code, out, _ = run("recipes")
    assert code == 0
    for name in packaged_recipes():
        assert name in out
