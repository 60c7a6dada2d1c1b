"""What must be equal beside the tensors of paired layers, and what a file may have that the model has not.

What is refused here would load, and give other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fr_models.heads import is_of_head
from fr_models.weights._kinds import ROLES
from fr_models.weights._records import Array, File, FileLayer, OurLayer, words
from fr_models.weights._settings import Step

Steps = tuple[Step, ...]
AnyLayer = TypeVar("AnyLayer", FileLayer, OurLayer)


def check_windows(ours: Sequence[OurLayer], file: File, pairs: Mapping[int, int]) -> None:
    """Refuse a network that looks at other places."""
    for position, found in pairs.items():
        our, their = ours[position], file.layers[found]
        if our.window is None:
            continue
        window = our.window.at(our.size)
        if their.window is not None and window.differs(their.window, our.size):
            seen = their.window.at(our.size)
            raise ValueError(f"{file.path}: {our.name}: expected {window}, found {seen} ({their.name})")
        if their.pads_alike and any(before != after for before, after in window.padding or ()):
            raise ValueError(
                f"{file.path}: {our.name}: expected {window}, found a file of a framework that pads alike "
                'at both sides; create the model with padding="explicit"'
            )


def check_steps(ours: Sequence[OurLayer], file: File, pairs: Mapping[int, int]) -> None:
    """Refuse a network with other activations or poolings."""
    for position, found in pairs.items():
        our, their = ours[position], file.layers[found]
        _check_steps(our.steps, their.steps, "before", our, their, file.path)
        _check_steps(our.last_steps, their.last_steps, "at the end, after", our, their, file.path)


def _check_steps(
    ours: Steps | None, theirs: Steps | None, where: str, our: OurLayer, their: FileLayer, path: str
) -> None:
    if ours is None or theirs is None:
        return
    if len(ours) != len(theirs) or any(a.differs(b) for a, b in zip(ours, theirs, strict=True)):
        expected, got = (", ".join(map(str, steps)) or "nothing" for steps in (ours, theirs))
        raise ValueError(f"{path}: {our.name}: expected {expected} {where} it, found {got} ({their.name})")


def check_rest(file: File, pairs: Mapping[int, int]) -> None:
    """Refuse a file that has more of a network than the model; a class matrix of a training head is none.

    Where all layers take part in what the file computes, a matrix at the end does too.
    """
    taken = set(pairs.values())
    more = [
        layer
        for position, layer in enumerate(file.layers)
        if position not in taken and (file.is_network or _is_more_of_a_network(layer))
    ]
    if more:
        raise ValueError(
            f"{file.path}: {more[0].name}: expected no other layers than the model's, found {len(more)}, "
            f"such as this {words(more[0])}"
        )
    for name, tensor in file.others.items():
        if _has_numbers(tensor) and (file.is_network or tensor.ndim != 2):
            raise ValueError(
                f"{file.path}: {name}: expected tensors of known layers, found {list(tensor.shape)}"
            )


def without_head(layers: Sequence[AnyLayer]) -> tuple[list[AnyLayer], list[AnyLayer]]:
    """Layers that are not named as those of `fr_models.heads`, their positions anew, and the others."""
    kept = [position for position, layer in enumerate(layers) if not is_of_head(layer.name)]
    new = {old: position for position, old in enumerate(kept)}
    body = []
    for old in kept:
        layer = layers[old]
        feeds = frozenset(new[feed] for feed in layer.feeds if feed in new)
        follower = None if layer.follower is None else new.get(layer.follower)
        body.append(replace(layer, feeds=feeds, follower=follower))
    return body, [layer for layer in layers if is_of_head(layer.name)]


def _is_more_of_a_network(layer: FileLayer) -> bool:
    return not _is_class_matrix(layer) and any(map(_has_numbers, layer.tensors.values()))


def _is_class_matrix(layer: FileLayer) -> bool:
    """Whether a layer can be one of a training head: dense, or of a class of its own with one matrix."""
    if is_of_head(layer.name) or layer.kind == "inner":
        return False
    if layer.kind in ROLES:
        return layer.is_dense
    return [tensor.ndim for tensor in layer.tensors.values() if _has_numbers(tensor)] == [2]


def _has_numbers(tensor: Array) -> bool:
    """Whether it is no counter, index or state of a loss, which are integers or one number."""
    return tensor.dtype.kind not in "iub" and tensor.size > 1
