"""One form for layers of all origins: a name, a kind, tensors by role in Keras's layout, and what feeds them.

Kinds are ``conv`` (a dense layer is one of 1 x 1), ``depthwise``, ``bn``, ``prelu``, ``inner`` (a layer
inside of another one); other layers have their class as kind. Roles are ``kernel``, ``bias``, ``gamma``,
``beta``, ``mean``, ``variance``, ``alpha``; tensors of other layers are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fr_models.weights._config_graph import Graph, topological

Array = NDArray[Any]

ROLES = {
    "conv": ("kernel", "bias"),
    "depthwise": ("kernel", "bias"),
    "bn": ("gamma", "beta", "mean", "variance"),
    "prelu": ("alpha",),
}
MAIN = {"conv": "kernel", "depthwise": "kernel", "bn": "mean", "prelu": "alpha"}
ROLE_OF = {
    "kernel": "kernel",
    "depthwise_kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "alpha",
}


@dataclass(frozen=True)
class Window:
    """How a convolution moves over a map: strides, and zeros before and after, of height and width."""

    strides: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]

    def __str__(self) -> str:
        return f"strides {self.strides} and padding {self.padding}"


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
    """

    name: str
    kind: str
    feeds: frozenset[int] = frozenset()
    follower: int | None = None
    window: Window | None = None


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
        Whether a dense kernel expects a flattened ``[C, H, W]``.
    """

    tensors: dict[str, Array]
    names: dict[str, str]
    epsilon: float | None = None
    channels_first: bool = False

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
        The ``[H, W, C]`` that is flattened before a dense layer.
    named : bool
        Whether somebody chose the name, and not Keras.
    """

    variables: dict[str, Any]
    other_name: str = ""
    epsilon: float = 0.0
    places: tuple[int, int, int] | None = None
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
    others : tuple of str
        Tensors of no layer.
    """

    path: str
    layers: list[FileLayer]
    has_graph: bool = False
    is_sorted: bool = False
    is_numbered: bool = False
    others: tuple[str, ...] = ()


def words(layer: FileLayer | OurLayer) -> str:
    """Kind and shape, for a message."""
    return f"{layer.kind} [{', '.join(map(str, layer.shape))}]"


def same_padding(length: int, extent: int, stride: int) -> tuple[int, int]:
    """Zeros that TensorFlow's ``same`` adds before and after."""
    total = max((-(-length // stride) - 1) * stride + extent - length, 0)
    return total // 2, total - total // 2


def natural(name: str) -> list[tuple[int, str]]:
    """Parts of a name such that ``layer2`` sorts before ``layer10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def snake(class_name: str) -> str:
    """``Conv2D`` to ``conv2d``, ``BatchNormalization`` to ``batch_normalization``, as Keras does it."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def kind_of(tensors: Collection[str], class_name: str, is_depthwise: bool = False) -> str:
    """Kind of a layer whose tensors have these names in Keras; its class where they are of no known kind."""
    roles = {ROLE_OF.get(name, name) for name in tensors}
    if len(roles) == len(tensors):
        if roles in ({"kernel"}, {"kernel", "bias"}):
            return "depthwise" if is_depthwise or "depthwise_kernel" in tensors else "conv"
        if {"mean", "variance"} <= roles <= set(ROLES["bn"]):
            return "bn"
        if roles == {"alpha"}:
            return "prelu"
    return snake(class_name)


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


def _comparable(kind: str, shapes: Mapping[str, Iterable[int]]) -> tuple[int, ...]:
    """Shape of the main tensor without the dimensions of size 1 that files write in different ways."""
    shape = tuple(shapes.get(MAIN.get(kind, "0"), shapes.get("0", ())))
    if kind == "prelu":
        return tuple(n for n in shape if n > 1) or (1,)
    if kind == "conv" and len(shape) == 2:
        return (1, 1, *shape)
    return shape
