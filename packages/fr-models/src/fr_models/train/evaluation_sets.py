"""The sets of a recipe's ``evaluate.sets``: which kind each is, and where its files lie.

================ ==================================================================================
``kind``         what ``path`` is, and further settings
================ ==================================================================================
``bin``          a ``.bin`` file of pairs
``pairs``        a pair list; ``images``: the folder that it names images of, by default the data's
``folder``       a folder with a subfolder a person: all pairs
``ijb``          a folder of meta files; ``prefix`` of their names; ``images``, by default the folder
                 ``loose_crop`` in it; ``aligned``: whether these are crops already
================ ==================================================================================

A path alone, or one without a kind, is a ``bin`` if it ends so, ``folder`` if it is one, else ``pairs``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fr_models._settings import Settings, boolean, one_of, text, with_key
from fr_models.train.evaluation import BinPairs, Evaluation, FolderPairs, IjbSet, ListedPairs
from fr_models.train.recipe import Recipe

__all__ = ["evaluations_of"]


@dataclass(frozen=True)
class BinFile(Settings):
    """A ``.bin`` file."""

    path: Annotated[str, text]

    def opened(self, name: str, flip: bool, data: str | None) -> Evaluation:
        """Check that it is there."""
        return BinPairs(name, flip, with_key("path", a_file, self.path))


@dataclass(frozen=True)
class PairList(Settings):
    """A pair list and its images."""

    path: Annotated[str, text]
    images: Annotated[str | None, text] = None

    def opened(self, name: str, flip: bool, data: str | None) -> Evaluation:
        """Check that they are there."""
        images = self.images or data
        if images is None:
            raise ValueError("images: missing; a pair list needs the folder of its images")
        pairs = with_key("path", a_file, self.path)
        return ListedPairs(name, flip, pairs, with_key("images", a_folder, images))


@dataclass(frozen=True)
class Folder(Settings):
    """A folder of people."""

    path: Annotated[str, text]

    def opened(self, name: str, flip: bool, data: str | None) -> Evaluation:
        """Check that it is there."""
        return FolderPairs(name, flip, with_key("path", a_folder, self.path))


@dataclass(frozen=True)
class IjbLayout(Settings):
    """A set in the layout of IJB."""

    path: Annotated[str, text]
    prefix: Annotated[str, text]
    images: Annotated[str | None, text] = None
    aligned: Annotated[bool, boolean] = False

    def opened(self, name: str, flip: bool, data: str | None) -> Evaluation:
        """Check that it is there."""
        folder = with_key("path", a_folder, self.path)
        images = Path(self.images) if self.images else folder / "loose_crop"
        images = with_key("images", a_folder, images)
        return IjbSet(name, flip, folder, self.prefix, images, self.aligned)


KINDS: dict[str, Callable[..., Any]] = {
    "bin": BinFile.from_dict,
    "pairs": PairList.from_dict,
    "folder": Folder.from_dict,
    "ijb": IjbLayout.from_dict,
}


def evaluations_of(recipe: Recipe) -> list[Evaluation]:
    """Make the evaluations of a recipe.

    Raises
    ------
    ValueError
        If a set is not as expected, or a file is not there; the message begins with its key.
    """
    sets = recipe.evaluate.sets or {}
    return [
        with_key(f"evaluate.sets.{name}", partial(_opened, recipe, name), value)
        for name, value in sets.items()
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


def _opened(recipe: Recipe, name: str, value: Any) -> Evaluation:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        raise ValueError(f"expected a path, or a mapping with the key 'path', got {value!r}")
    settings = dict(value)
    kind = with_key("kind", one_of(*KINDS), settings.pop("kind", _kind_of(settings["path"])))
    opened: Evaluation = KINDS[kind](settings).opened(name, recipe.evaluate.flip, recipe.data.path)
    return opened


def _kind_of(path: str) -> str:
    if path.endswith(".bin"):
        return "bin"
    return "folder" if Path(path).is_dir() else "pairs"
