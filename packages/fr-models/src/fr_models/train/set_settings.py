"""The sets of a recipe's ``evaluate.sets`` as settings.

================ ==================================================================================
``kind``         what ``path`` is, and further settings
================ ==================================================================================
``bin``          a ``.bin`` file of pairs
``pairs``        a pair list; ``images``: the folder that it names images of, by default the data's;
                 ``folds``: those of its folds that are meant, from 1 on, by default all
``folder``       a folder with a subfolder a person: all pairs
``ijb``          a folder of meta files; ``prefix`` of their names; ``images``, by default the folder
                 ``loose_crop`` in it; ``aligned``: whether these are crops already
================ ==================================================================================

A path alone, or one without a kind, is a ``bin`` if it ends so, ``folder`` if it is one, else ``pairs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fr_models._settings import Settings, a_mapping, boolean, list_of, one_of, text, whole, with_key

__all__ = ["BinFile", "Folder", "IjbLayout", "PairList", "SetSettings", "checked_sets", "set_of_kind"]


@dataclass(frozen=True)
class BinFile(Settings):
    """A ``.bin`` file."""

    path: Annotated[str, text]


@dataclass(frozen=True)
class PairList(Settings):
    """A pair list and its images."""

    path: Annotated[str, text]
    images: Annotated[str | None, text] = None
    folds: Annotated[tuple[int, ...] | None, list_of(whole(1), 1)] = None


@dataclass(frozen=True)
class Folder(Settings):
    """A folder of people."""

    path: Annotated[str, text]


@dataclass(frozen=True)
class IjbLayout(Settings):
    """A set in the layout of IJB."""

    path: Annotated[str, text]
    prefix: Annotated[str, text]
    images: Annotated[str | None, text] = None
    aligned: Annotated[bool, boolean] = False


SetSettings = BinFile | PairList | Folder | IjbLayout
KINDS: dict[str, type[SetSettings]] = {"bin": BinFile, "pairs": PairList, "folder": Folder, "ijb": IjbLayout}


def checked_sets(value: Any) -> dict[str, dict[str, Any]]:
    """Expect sets by name, and keep the mapping of each.

    No file is looked for: a path without a kind, which may be a folder, has the keys of a pair list here.
    """
    return {name: with_key(name, _checked, settings) for name, settings in a_mapping(value).items()}


def set_of_kind(kind: str, settings: Mapping[str, Any]) -> SetSettings:
    """Return the settings of a set, from a mapping that may have its kind, too."""
    return KINDS[kind].from_dict({key: value for key, value in settings.items() if key != "kind"})


def _checked(value: Any) -> dict[str, Any]:
    settings = {"path": value} if isinstance(value, str) else value
    if not isinstance(settings, Mapping) or not isinstance(settings.get("path"), str):
        raise ValueError(f"expected a path, or a mapping with the key 'path', got {value!r}")
    likely = "bin" if settings["path"].endswith(".bin") else "pairs"
    set_of_kind(with_key("kind", one_of(*KINDS), settings.get("kind", likely)), settings)
    return dict(settings)
