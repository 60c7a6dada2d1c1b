"""A run's folder: what it was told, what it ran on, and how it went.

``recipe.yaml``         the recipe, every setting of it
``versions.json``       packages, commit, machine, data
``history.csv``         a row an epoch; ``history_hist.json``: the same for tools of Keras_insightface
``evaluations.csv``     figures measured within epochs, if the recipe asks for them
``best.keras``          the backbone by the best metric; ``best.json``: its preprocessing, metric and epoch
``last/state.npz``      the full state, from which the run goes on; ``last/lock``: held by who writes here
``tensorboard/``        scalars
``wandb_run.txt``       the id of the run of Weights & Biases, if it is tracked; ``mlflow_run.txt``: of MLflow
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.files import write_text

from fr_models._files import write_json
from fr_models.data.dataset import Dataset
from fr_models.train.recipe import Recipe

__all__ = ["RunFolder", "data_record", "digest_record", "with_absolute_paths"]

PACKAGES = ("fr-models", "fr-losses", "fr-eval", "fr-native", "tensorflow", "keras", "numpy")
MOST_DIGESTED_IMAGES = 1_000_000


class RunFolder:
    """The files of a run by name.

    Parameters
    ----------
    path : str or Path
        The folder, which need not be there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.versions = self.path / "versions.json"
        self.state = self.path / "last" / "state.npz"
        self.history = self.path / "history.csv"

    def expect_new(self) -> None:
        """Refuse a folder that holds a run already, or what another one left there."""
        if self.recipe.exists():
            raise ValueError(f"{self.path}: holds a run already; fr-train resume {self.path} goes on with it")
        for left in (self.state, self.path / "best.keras"):
            if left.exists():
                raise ValueError(f"{left}: of a run without its recipe.yaml, expected a new folder")

    def begin(self, recipe: Recipe, data: dict[str, Any]) -> None:
        """Write what the run was told and what it runs on.

        Raises
        ------
        ValueError
            If the folder holds a run already.
        """
        self.expect_new()
        write_json(self.versions, {**versions(), "data": data})
        write_text(self.recipe, recipe.to_yaml())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder to this process while the block runs; a process that dies lets go of it.

        Nothing is kept where the system or the file system has no such locks.

        Raises
        ------
        ValueError
            If another process holds it.
        """
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with (self.state.parent / "lock").open("a") as file:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{self.path}: another process trains in this folder") from None
            except (ImportError, OSError):  # Windows; a file system without locks
                pass
            yield

    def expect_no_epochs(self) -> None:
        """Refuse a run that has lost its checkpoint, which would begin again and write over its history.

        Raises
        ------
        ValueError
            If the history has rows.
        """
        if self.history.exists() and len(self.history.read_text(encoding="utf-8").splitlines()) > 1:
            raise ValueError(
                f"{self.state}: no such file, expected the checkpoint of a run with epochs in {self.history}"
            )

    def expect_images(self, dataset: Dataset) -> None:
        """Refuse images of another digest than those that the run began with, where it knows theirs.

        All images are read for that.
        """
        try:
            known = json.loads(self.versions.read_text(encoding="utf-8"))["data"].get("sha256")
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            raise ValueError(
                f"{self.versions}: expected what the run began with, its data among it"
            ) from None
        if known is not None and (found := dataset.digest()) != known:
            raise ValueError(
                f"{self.versions}: trained on other images: of SHA-256 {known}, these are of {found}"
            )

    def read_recipe(self) -> Recipe:
        """Read the recipe of the run."""
        if not self.recipe.is_file():
            raise ValueError(f"{self.path}: not the folder of a run: no recipe.yaml")
        return Recipe.load(self.recipe)


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Return a recipe whose files are found from any folder, since a run may be resumed from another one."""
    settings = recipe.to_dict()
    places = [(settings["model"], ("file", "weights")), (settings["data"], ("path",))]
    places.append((settings.get("teacher", {}), ("model",)))
    sets = settings["evaluate"].get("sets", {})
    for name, value in sets.items():
        if isinstance(value, str | Mapping):  # others are refused where sets are opened
            sets[name] = value = {"path": value} if isinstance(value, str) else dict(value)
            places.append((value, ("path", "images")))
    for values, names in places:
        for name in names:
            if isinstance(values.get(name), str) and Path(values[name]).exists():
                values[name] = str(Path(values[name]).resolve())
    return Recipe.from_dict(settings)


def versions() -> dict[str, Any]:
    """Return what the numbers of a run may depend on besides recipe and data."""
    installed: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # sources on PYTHONPATH
            installed[package] = None
    return {
        "packages": {"python": platform.python_version(), **installed},
        "git_commit": _git_commit(),
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
    }


def data_record(dataset: Dataset) -> dict[str, Any]:
    """Return what tells datasets apart and costs nothing: counts, and a digest of the labels."""
    labels = np.ascontiguousarray(dataset.labels, dtype=np.int64)
    return {
        "images": len(dataset),
        "classes": len(dataset.class_names),
        "labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
    }


def digest_record(dataset: Dataset, skips_unreadable: bool = False) -> dict[str, str]:
    """Return the digest of the images as well, if there are no more than can be read in minutes.

    A run that skips images that cannot be read does without where there are some.
    """
    if len(dataset) > MOST_DIGESTED_IMAGES:
        return {}
    try:
        return {"sha256": dataset.digest()}
    except ValueError:
        if not skips_unreadable:
            raise
        return {}


def _git_commit() -> str | None:
    """Return the commit of the checkout in the current folder, with ``+`` if it is changed."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
