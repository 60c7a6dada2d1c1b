"""The evaluations of a recipe's ``evaluate.sets``, whose files are there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fr_models._settings import with_key
from fr_models.train.evaluation import BinPairs, Evaluation, FolderPairs, IjbSet, ListedPairs
from fr_models.train.recipe import Recipe
from fr_models.train.set_settings import BinFile, Folder, IjbLayout, PairList, set_of_kind

__all__ = ["evaluations_of"]


def evaluations_of(recipe: Recipe) -> list[Evaluation]:
    """Make the evaluations of a recipe.

    Raises
    ------
    ValueError
        If a file is not there, or a path turns out to be no pair list but a folder, which has other keys; the
        message begins with the key.
    """
    sets = recipe.evaluate.sets or {}
    return [
        with_key(f"evaluate.sets.{name}", partial(_opened, recipe, name), settings)
        for name, settings in sets.items()
    ]


def a_file(path: str | Path) -> Path:
    """Expect the path of a file."""
    if not Path(path).is_file():
        raise ValueError(f"expected a file, there is none at {path}")
    return Path(path)


def a_folder(path: str | Path) -> Path:
    """Expect the path of a folder."""
    if not Path(path).is_dir():
        raise ValueError(f"expected a folder, there is none at {path}")
    return Path(path)


def _opened(recipe: Recipe, name: str, settings: Mapping[str, Any]) -> Evaluation:
    kind = settings.get("kind") or with_key("path", _kind_of, settings["path"])
    flip = recipe.evaluate.flip
    match set_of_kind(kind, settings):
        case BinFile(path):
            return BinPairs(name, flip, with_key("path", a_file, path))
        case PairList(path, images, folds):
            images = images or recipe.data.path
            if images is None:
                raise ValueError("images: missing; a pair list needs the folder of its images")
            pairs = with_key("path", a_file, path)
            return ListedPairs(name, flip, pairs, with_key("images", a_folder, images), folds)
        case Folder(path):
            return FolderPairs(name, flip, with_key("path", a_folder, path))
        case IjbLayout(path, prefix, images, aligned):
            folder = with_key("path", a_folder, path)
            images = with_key("images", a_folder, images or folder / "loose_crop")
            return IjbSet(name, flip, folder, prefix, images, aligned)


def _kind_of(path: str) -> str:
    """Tell the kind of what is there."""
    if path.endswith(".bin"):
        return "bin"
    if not Path(path).exists():
        raise ValueError(f"expected a file or a folder, there is none at {path}")
    return "folder" if Path(path).is_dir() else "pairs"
