"""A run's folder: what it was told, what it ran on, and how it went.

``recipe.yaml``         the recipe, every setting of it
``versions.json``       packages, commit, machine, data, and the recipe that the run began with
``history.csv``         a row an epoch; ``history_hist.json``: the same for tools of Keras_insightface
``evaluations.csv``     figures measured after so many steps, if the recipe asks for them
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
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.files import write_text
from fr_eval.locks import locked

from fr_models._files import write_json
from fr_models._settings import a_mapping, first_difference, with_key
from fr_models.data._digest import Progress, fingerprint_of
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
        """Refuse a folder that holds a run already, or what another one left there, and what is no folder."""
        for place in (self.path, *self.path.parents):
            if place.exists() and not place.is_dir():
                raise ValueError(f"{self.path}: {place} is a file, expected a new run folder (-o)")
        if self.recipe.exists():
            raise ValueError(f"{self.path}: holds a run already; fr-train resume {self.path} goes on with it")
        for left in (self.state, self.path / "best.keras"):
            if left.exists():
                raise ValueError(f"{left}: of a run without its recipe.yaml, expected a new folder")

    def expect_apart(self, dataset: Dataset) -> None:
        """Refuse a folder that is, lies in or holds that of the images, which it would change.

        The run could not be resumed: its own folders would be people.
        """
        own = self.path.resolve()
        for folder in dataset.folders:
            images = folder.resolve()
            if own.is_relative_to(images) or images.is_relative_to(own):
                relation = "is" if own == images else "lies in" if own.is_relative_to(images) else "holds"
                raise ValueError(
                    f"{self.path}: {relation} the folder of data.path, {folder}: "
                    "expected a run folder (-o) apart from the images"
                )

    def begin(self, recipe: Recipe, data: dict[str, Any]) -> None:
        """Write what the run was told and what it runs on.

        Raises
        ------
        ValueError
            If the folder holds a run already.
        """
        self.expect_new()
        write_json(self.versions, {**versions(), "data": data, "recipe": recipe.to_dict()})
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
        with locked(self.state.parent / "lock", f"{self.path}: another process trains in this folder"):
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

    def expect_images(self, dataset: Dataset, progress: Progress | None = None) -> None:
        """Refuse other images than those that the run began with, by all that it knows of these.

        All images are read for that, if it knows their digest.
        """
        known = self._began_with()["data"]
        for name, value in _told_apart(dataset, known, progress):
            if known.get(name, value) != value:
                raise ValueError(
                    f"{self.versions}: trained on other images: expected {name} {known[name]}, got {value}"
                )

    def read_recipe(self, data: str | Path | None = None) -> Recipe:
        """Read the recipe of the run, whose images may have moved to ``data``.

        Raises
        ------
        ValueError
            If there is none, or it has been edited since the run began. What may be edited: ``distribution``,
            for another machine, and ``data.on_unreadable``, for images that are found to be damaged.
        """
        if not self.recipe.is_file():
            raise ValueError(f"{self.path}: not the folder of a run: no recipe.yaml")
        recipe, record = Recipe.load(self.recipe), self._began_with()
        if "recipe" in record:  # folders of earlier versions do without
            known = with_key(f"{self.versions}: recipe", Recipe.from_dict, record["recipe"])
            skips = recipe.data.on_unreadable
            known = replace(
                known, distribution=recipe.distribution, data=replace(known.data, on_unreadable=skips)
            )
            if (difference := first_difference(known.to_dict(), recipe.to_dict())) is not None:
                key, began_with, found = difference
                raise ValueError(
                    f"{self.recipe}: {key}: expected {began_with!r}, with which the run began, got {found!r}"
                )
        return recipe if data is None else recipe.with_images(data)

    def _began_with(self) -> dict[str, Any]:
        """Read what the run was told and what it ran on when it began."""
        try:
            record: dict[str, Any] = json.loads(self.versions.read_text(encoding="utf-8"))
            a_mapping(record["data"])
        except (KeyError, OSError, TypeError, ValueError):
            raise ValueError(
                f"{self.versions}: expected what the run began with, its data among it"
            ) from None
        return record


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Return a recipe whose files are found from any folder, since a run may be resumed from another one."""
    settings = recipe.to_dict()
    places = [(settings["model"], ("file", "weights")), (settings["data"], ("path",))]
    places.append((settings.get("teacher", {}), ("model",)))
    places += [(one, ("path", "images")) for one in settings["evaluate"].get("sets", {}).values()]
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


def digest_record(
    dataset: Dataset, skips_unreadable: bool = False, progress: Progress | None = None
) -> dict[str, str]:
    """Return the digest of the images as well, or if they are too many to be read in minutes a fingerprint.

    A run that skips images that cannot be read does without where there are some.
    """
    if len(dataset) > MOST_DIGESTED_IMAGES:
        return {"fingerprint": fingerprint_of(dataset)}
    try:
        return {"sha256": dataset.digest(progress)}
    except ValueError:
        if not skips_unreadable:
            raise
        return {}


def _told_apart(
    dataset: Dataset, known: Mapping[str, Any], progress: Progress | None
) -> Iterator[tuple[str, Any]]:
    """Give what tells a dataset from others: what costs nothing, then what is known of the others."""
    yield from data_record(dataset).items()
    if "fingerprint" in known:
        yield "fingerprint", fingerprint_of(dataset)
    if "sha256" in known:
        yield "sha256", dataset.digest(progress)


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
