"""One form for layers of all origins: a name, a kind, tensors by role in Keras's layout, and what feeds them.

Kinds are those of `_kinds`. Roles are ``kernel``, ``bias``, ``gamma``, ``beta``, ``mean``, ``variance``,
``alpha``; tensors of layers of other kinds are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fr_models._graph import Graph, every_layer, topological
from fr_models.weights._settings import Pair, Step, Window, own_activation, steps_after, steps_before, windows

Array = NDArray[Any]

MAIN = {"conv": "kernel", "depthwise": "kernel", "bn": "mean", "prelu": "alpha"}


@dataclass(kw_only=True)
class Layer:
    """What layers of files and of models share.

    Attributes
    ----------
    name, kind
        See the module; the names of layers inside of others are joined by ``/``.
    feeds : frozenset of int
        Positions of the nearest layers with tensors that feed this one, where the graph is known.
    follower : int, optional
        Position of the batch normalisation that takes all that a convolution gives.
    window : Window, optional
        Of a convolution, where it is known.
    steps : tuple of Step, optional
        Activations and poolings between the layers that feed this one and it, where they are known.
    last_steps : tuple of Step, optional
        Those from a layer that feeds no other one with tensors to the end, itself included.
    """

    name: str
    kind: str
    feeds: frozenset[int] = frozenset()
    follower: int | None = None
    window: Window | None = None
    steps: tuple[Step, ...] | None = None
    last_steps: tuple[Step, ...] | None = None


@dataclass(kw_only=True)
class FileLayer(Layer):
    """A layer of a file.

    Attributes
    ----------
    tensors, names : dict
        Values, and the file's names of them, by role.
    epsilon : float, optional
        Of batch normalisation; None for the model's own.
    channels_first : bool
        Whether it expects a flattened ``[C, H, W]`` after a flattening.
    pads_alike : bool
        Whether it is of a framework whose convolutions add as many zeros before as after.
    """

    tensors: dict[str, Array]
    names: dict[str, str]
    epsilon: float | None = None
    channels_first: bool = False
    pads_alike: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether it is a plain matrix."""
        return self.kind == "conv" and self.tensors["kernel"].ndim == 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what makes the layer: the kernel, the slopes, the means."""
        return _comparable(self.kind, {role: tensor.shape for role, tensor in self.tensors.items()})


@dataclass(kw_only=True)
class OurLayer(Layer):
    """A layer of the model.

    Attributes
    ----------
    variables : dict
        By role.
    other_name : str
        As Keras calls its group in files: class and number, and attributes for layers inside of others.
    epsilon : float
        Of batch normalisation.
    places : tuple of int, optional
        The ``[H, W, C]`` that is flattened before a dense layer, batch normalisation or PReLU.
    size : tuple of int, optional
        Height and width of the map that comes in, where it is known.
    named : bool
        Whether somebody chose the name, and not Keras.
    """

    variables: dict[str, Any]
    other_name: str = ""
    epsilon: float = 0.0
    places: tuple[int, int, int] | None = None
    size: Pair | None = None
    named: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what makes the layer: the kernel, the slopes, the means."""
        shapes = {role: tuple(map(int, variable.shape)) for role, variable in self.variables.items()}
        return _comparable(self.kind, shapes)


@dataclass(frozen=True)
class File:
    """Layers with tensors, in the file's order.

    Attributes
    ----------
    path : str
        Where it lies.
    layers : list of FileLayer
        The layers.
    has_graph : bool
        Whether it says what feeds what.
    is_sorted : bool
        Whether the order is that of the names, which tells nothing but the order of their numbers.
    is_numbered : bool
        Whether the names are those of Keras's groups: class and number.
    others : dict
        Tensors of no known layer, by name.
    is_network : bool
        Whether all layers take part in what the file computes, so that none is left of training.
    """

    path: str
    layers: list[FileLayer]
    has_graph: bool = False
    is_sorted: bool = False
    is_numbered: bool = False
    others: dict[str, Array] = field(default_factory=dict)
    is_network: bool = False


def words(layer: FileLayer | OurLayer) -> str:
    """Kind and shape, for a message."""
    return f"{layer.kind} [{', '.join(map(str, layer.shape))}]"


def natural(name: str) -> list[tuple[int, str]]:
    """Parts of a name such that ``layer2`` sorts before ``layer10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def connect(layers: Sequence[Layer], graph: Graph, positions: Mapping[str, Sequence[int]]) -> None:
    """Set `Layer.feeds` and `Layer.follower` by the graph; a name has no, one or several layers."""
    feeds: dict[str, frozenset[int]] = {}
    consumers: dict[str, list[str]] = {}
    for name in topological(graph):
        for source in graph[name]:
            consumers.setdefault(source, []).append(name)
        fed = frozenset(position for source in graph[name] for position in feeds[source])
        for position in positions.get(name, ()):
            layers[position].feeds = fed
        feeds[name] = frozenset(positions.get(name, ())) or fed
    for name, found in positions.items():
        after = consumers.get(name, [])
        follows = positions.get(after[0], ()) if len(after) == 1 else ()
        if len(found) == 1 and len(follows) == 1:
            layer, follower = layers[found[0]], layers[follows[0]]
            if layer.kind in ("conv", "depthwise") and follower.kind == "bn":
                layer.follower = follows[0]


def set_settings(
    layers: Sequence[Layer],
    config: dict[str, Any],
    graph: Graph,
    positions: Mapping[str, Sequence[int]],
    sizes: Mapping[str, Pair],
) -> None:
    """Set windows and steps by the config, and that behind an activation no batch normalisation follows."""
    with_tensors = {name for name, found in positions.items() if found}
    seen, before = windows(config, graph), steps_before(config, graph, with_tensors, sizes)
    after = steps_after(config, graph, with_tensors, sizes)
    active = {name for name, _, own in every_layer(config) if own_activation(own) != "linear"}
    for name, found in positions.items():
        for position in found:
            layers[position].window, layers[position].steps = seen.get(name), before.get(name)
            layers[position].last_steps = after.get(name)
            if name in active:
                layers[position].follower = None


def _comparable(kind: str, shapes: Mapping[str, Iterable[int]]) -> tuple[int, ...]:
    """Shape of the main tensor without the dimensions of size 1 that files write in different ways."""
    shape = tuple(shapes.get(MAIN.get(kind, "0"), shapes.get("0", ())))
    if kind == "prelu":
        return tuple(n for n in shape if n > 1) or (1,)
    if kind == "conv" and len(shape) == 2:
        return (1, 1, *shape)
    return shape
