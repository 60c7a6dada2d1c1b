"""Models by name, from whichever installed package has them: the entry points ``fr_export.model_builders``.

An entry point names a module with the functions of `ModelBuilder`; fr-models declares one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from fr_eval.embedders import Preprocessing
from fr_eval.errors import InputError

GROUP = "fr_export.model_builders"


class ModelBuilder(Protocol):
    """What a module of the group has."""

    def list_models(self) -> Sequence[str]:
        """Return the names that `build` takes."""

    def list_heads(self) -> Sequence[str]:
        """Return the heads that `build` takes."""

    def build(self, name: str, head: str, embedding_dim: int, pointwise: bool) -> tuple[Any, Preprocessing]:
        """Return a model with random weights, from images to embeddings, and its preprocessing."""


def find_builders(names: Sequence[str], heads: Sequence[str]) -> dict[str, ModelBuilder]:
    """Return the builder of each model.

    Raises
    ------
    InputError
        No package that builds models, an unknown model or head.
    """
    builders = [cast(ModelBuilder, entry.load()) for entry in entry_points(group=GROUP)]
    if not builders:
        raise InputError(
            f"sweep: no installed package builds models: expected one with entry points {GROUP}, such as the "
            "fr-models of this project"
        )
    found = {}
    for name in names:
        builder = next((builder for builder in builders if name in builder.list_models()), None)
        if builder is None:
            known = [known for builder in builders for known in builder.list_models()]
            _refuse("model", name, known, "'fr-models list' names those of fr-models")
        else:
            found[name] = builder
    for builder in found.values():
        for head in heads:
            if head not in builder.list_heads():
                heads_of = list(builder.list_heads())
                _refuse("head", head, heads_of, f"expected {', '.join(heads_of)}")
    return found


def builder_packages() -> list[str]:
    """Return the packages that build models."""
    found = {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    return sorted(found)


def _refuse(what: str, name: str, known: list[str], all_of_them: str) -> None:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    advice = f"did you mean {', '.join(near)}?" if near else all_of_them
    raise InputError(f"{what}: there is no {name!r}; {advice}")
