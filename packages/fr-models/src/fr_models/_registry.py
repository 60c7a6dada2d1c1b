"""Which models there are: a function that lays each one's backbone, and what is known of it."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fr_eval.embedders import Preprocessing

from fr_models._options import Options
from fr_models._table import rows

Backbone = Callable[..., Any]

PREPROCESSING = Preprocessing((112, 112), 1 / 128, 127.5, "RGB")


@dataclass(frozen=True)
class Paper:
    """Where a network is published."""

    title: str
    url: str


@dataclass(frozen=True)
class Card:
    """What the registry knows of a model.

    Attributes
    ----------
    name : str
        As `create` takes it.
    summary : str
        One line.
    paper : Paper
        Where it is published.
    options : Options
        What can be chosen, and its defaults.
    least_size : int
        Pixels of height and width below which the strides leave nothing.
    preprocessing : Preprocessing
        Of the pixels, for weights that are trained here.
    """

    name: str
    summary: str
    paper: Paper
    options: Options
    least_size: int
    preprocessing: Preprocessing = PREPROCESSING


_backbones: dict[str, tuple[Card, Backbone]] = {}


def register(paper: Paper, options: Options, least_size: int) -> Callable[[Backbone], Backbone]:
    """Register the function ``name(x, build) -> feature map`` under its name.

    Its docstring's first line is the summary; ``build`` is a `Builder` with the options.
    """

    def decorate(backbone: Backbone) -> Backbone:
        name = backbone.__name__
        if name in _backbones:
            raise ValueError(f"{name}: registered twice")
        summary = (backbone.__doc__ or "").splitlines()[0]
        _backbones[name] = (Card(name, summary, paper, options, least_size), backbone)
        return backbone

    return decorate


def list_models(pattern: str = "*") -> list[str]:
    """Names of all models, or of those that match a shell pattern, sorted.

    Examples
    --------
    >>> list_models("se_r1?")
    ['se_r18']
    """
    if not isinstance(pattern, str):
        raise ValueError(f"pattern: expected a shell pattern such as 'se_*', got {pattern!r}")
    return sorted(fnmatch.filter(rows(), pattern))


def checked_name(name: Any) -> str:
    """Return the name of a model, without importing what lays it.

    Raises
    ------
    ValueError
        If there is none of this name; the message names the nearest.
    """
    if not isinstance(name, str):
        raise ValueError(f"model: expected a name of list_models(), got {name!r}")
    if name not in rows() and name not in _backbones:
        near = difflib.get_close_matches(name.lower(), rows(), n=3, cutoff=0.5)
        advice = f"did you mean {', '.join(near)}?" if near else "list_models() names all"
        raise ValueError(f"model: there is no {name!r}; {advice}")
    return name


def find(name: str) -> tuple[Card, Backbone]:
    """Card and function of a model.

    Raises
    ------
    ValueError
        If there is none of this name; the message names the nearest.
    """
    if checked_name(name) not in _backbones:
        importlib.import_module(f"fr_models.backbones.{rows()[name].module}")
    return _backbones[name]


def registered() -> dict[str, tuple[Card, Backbone]]:
    """Cards and functions of the models whose files are imported, by name."""
    return _backbones
