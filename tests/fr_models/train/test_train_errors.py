"""``fr-train`` ends in one line where TensorFlow, the disk or an image fails while a run is under way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.network import loaded

from tests.commands import Run
from tests.fr_models.train import _runs


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _runs.prepare(tmp_path_factory.mktemp("train"))
    stages = [{"epochs": 1, "loss": "softmax", "optimizer": "SGD"}]
    recipe = _runs.recipe(folder, deterministic=False, stages=stages)
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    return folder


@pytest.fixture
def limit_files() -> Iterator[Callable[[int], None]]:
    """Let no file of this process become larger than so many bytes: as on a full disk, a write fails."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def failing(*_: object, **__: object) -> None:
    """Fail as a kernel does, in a graph."""

    @tf.function
    def fail(value: tf.Tensor) -> None:
        tf.debugging.assert_less(value, 6, "expected less than 6")

    fail(tf.constant(6))


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ("opened_run.build_backbone", "model: "),
        ("stage_run.build_stage", "stages.0: "),
        ("stage_run.StageRun.step", "epoch 1, step 1: "),
        ("snapshot.Snapshot.__call__", "evaluate.sets.all: "),
        ("opened_run.dataset_of", ""),
    ],
)
def test_error_of_a_device(
    run: Run, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, where: str
) -> None:
    monkeypatch.setattr(f"fr_models.train.{part}", failing)
    code, _, err = run("run", prepared / "recipe.yaml", "-o", tmp_path / "run")
    assert (code, err) == (2, f"fr-train: {where}expected less than 6\n")


def test_log_that_cannot_be_written(run: Run, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "tensorboard").touch()
    code, _, err = run("run", prepared / "recipe.yaml", "-o", folder)
    assert (code, err) == (2, f"fr-train: {folder}/tensorboard: Not a directory\n")
    (folder / "tensorboard").unlink()
    code, _, err = run("resume", folder)
    assert code == 0, err


@pytest.mark.parametrize(
    ("settings", "file"), [("{sets: {}}", "last/state.npz"), ("{sets: {}, every_steps: 2}", "best.keras")]
)
def test_full_disk(
    run: Run,
    prepared: Path,
    tmp_path: Path,
    limit_files: Callable[[int], None],
    settings: str,
    file: str,
) -> None:
    """The file is named, none that is cut short takes its name, and with room the run goes on."""
    folder = tmp_path / "run"
    limit_files(8000)
    code, _, err = run("run", prepared / "recipe.yaml", "-o", folder, "--set", f"evaluate={settings}")
    limit_files(1 << 30)
    assert (code, err) == (2, f"fr-train: {folder / file}: File too large\n")
    assert not (folder / file).exists()
    code, _, err = run("resume", folder)
    assert code == 0 and (folder / "best.keras").exists(), err


def test_unreadable_image_of_an_evaluation(run: Run, prepared: Path, tmp_path: Path) -> None:
    """It is found while the run evaluates; mended, the run goes on."""
    image = Path(shutil.copytree(prepared / "faces", tmp_path / "tested")) / "n3" / "1.png"
    content = image.read_bytes()
    image.write_bytes(content[:-20])
    given = ["-o", tmp_path / "run", "--set", f"evaluate.sets={{all: '{tmp_path}/tested'}}"]
    code, _, err = run("run", prepared / "recipe.yaml", *given)
    assert code == 2 and err.count("\n") == 1 and err.startswith(f"fr-train: evaluate.sets.all: {image}: "), (
        err
    )
    image.write_bytes(content)
    code, _, err = run("resume", tmp_path / "run")
    assert code == 0, err


def test_teacher_that_fails(
    run: Run, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked within the pipeline, which turns its errors to ones of TensorFlow."""

    def embed(self: object, images: np.ndarray) -> np.ndarray:
        if len(images) > 1:
            raise OSError("the teacher is gone")
        return np.ones((1, 4), np.float32)

    from fr_eval.embedders.keras import KerasEmbedder

    monkeypatch.setattr(KerasEmbedder, "__call__", embed)
    given = [f"teacher={{model: '{prepared}/backbone.keras'}}", "stages.0.distill=1"]
    sidecar = '{"size": [32, 32], "scale": 1.0, "offset": 0.0, "colour": "RGB"}'
    (prepared / "backbone.json").write_text(sidecar)
    code, _, err = run(
        *("run", prepared / "recipe.yaml", "-o", tmp_path / "run"),
        *(part for setting in given for part in ("--set", setting)),
    )
    assert code == 2 and err.count("\n") == 1, err
    assert err.startswith("fr-train: data: ") and "the teacher is gone" in err, err


def test_damaged_network(prepared: Path, tmp_path: Path) -> None:
    """Any byte of the file that a recipe names may be wrong, and any part of its end missing."""
    content = (prepared / "backbone.keras").read_bytes()
    places = np.random.default_rng(0).integers(0, len(content), 40).tolist()
    path, messages = tmp_path / "damaged.keras", []
    for number, place in enumerate([*places, len(content) - 30, 0]):
        changed = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        path.write_bytes(changed if number % 4 else content[:place])
        try:
            loaded(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 20
    expected = f"expected a network that Keras can load, got {path}: "
    assert all(message.startswith(expected) for message in messages)
