"""What a config says of layers beyond their tensors: windows, and what lies between layers with tensors.

With equal kernels, another stride, padding, activation or pooling gives other numbers. What is of no known
class, such as an operation that Keras has written as a layer, cannot be compared, and is not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fr_models._graph import MODELS, Graph, every_layer, topological
from fr_models.weights._kinds import known_classes, snake

Pair = tuple[int, int]
OTHER_NAMES = {"swish": "silu", "hard_silu": "hard_swish"}
NO_ZEROS = ((0, 0), (0, 0))
POOLINGS = ("max_pooling2d", "average_pooling2d")
MERGES = ("add", "multiply", "concatenate")
CHANGE_NOTHING = {
    *(
        "input_layer",
        "dropout",
        "spatial_dropout2d",
        "stochastic_depth",
        "gaussian_dropout",
        "gaussian_noise",
    ),
    *("flatten", "reshape", "identity", "activity_regularization", "zero_padding2d"),
    *MERGES,
    *(snake(model) for model in MODELS),
}


@dataclass(frozen=True)
class Window:
    """How a convolution or a pooling moves over a map, each for height and width.

    Attributes
    ----------
    strides, extents : tuple of int
        Steps, and places that one window spans.
    padding : tuple of pairs, optional
        Zeros before and after; None for TensorFlow's ``same``, which depends on the size of the map.
    """

    strides: Pair
    extents: Pair
    padding: tuple[Pair, Pair] | None

    def at(self, size: Pair | None) -> Window:
        """Return it with the zeros of ``same`` on a map of this size."""
        if self.padding is not None or size is None:
            return self
        rows, columns = (same_padding(*each) for each in zip(size, self.extents, self.strides, strict=True))
        return replace(self, padding=(rows, columns))

    def differs(self, other: Window, size: Pair | None) -> bool:
        """Whether the two see other places of a map; where its size is unknown, as far as can be told."""
        one, two = self.at(size), other.at(size)
        if (one.strides, one.extents) != (two.strides, two.extents):
            return True
        return None not in (one.padding, two.padding) and one.padding != two.padding

    def __str__(self) -> str:
        return f"strides {self.strides} and padding {self.padding or 'same'}"


@dataclass(frozen=True)
class Step:
    """An activation or a pooling; the size of the map that a pooling has in the model, where it is known."""

    what: str
    window: Window | None = None
    size: Pair | None = None

    def differs(self, other: Step) -> bool:
        """Whether another step gives other numbers."""
        one, two = self.window, other.window
        if self.what != other.what or one is None or two is None:
            return self.what != other.what
        if (one.padding is None) != (two.padding is None) and one.at(self.size).padding != NO_ZEROS:
            return True  # what same adds has no part in a pooling, zeros of a layer have
        return one.differs(two, self.size)

    def __str__(self) -> str:
        return self.what if self.window is None else f"{self.what} of {self.window}"


def same_padding(length: int, extent: int, stride: int) -> Pair:
    """Zeros that TensorFlow's ``same`` adds before and after."""
    total = max((-(-length // stride) - 1) * stride + extent - length, 0)
    return total // 2, total - total // 2


def windows(config: dict[str, Any], graph: Graph) -> dict[str, Window]:
    """Windows by the names of layers, each with the layer of zeros that alone is before it."""
    settings = {name: (class_name, own) for name, class_name, own in every_layer(config)}
    found = {}
    for name, (_, own) in settings.items():
        extents = own.get("kernel_size") or own.get("pool_size")
        if extents is None or len(extents) != 2 or own.get("data_format") == "channels_first":
            continue
        dilations = own.get("dilation_rate", (1, 1))
        spans = tuple((n - 1) * rate + 1 for n, rate in zip(extents, dilations, strict=True))
        padding = None if own["padding"] == "same" else _zeros(settings, graph.get(name, []))
        found[name] = Window(_pair(own["strides"]), _pair(spans), padding)
    return found


def steps_before(
    config: dict[str, Any], graph: Graph, with_tensors: Collection[str], sizes: Mapping[str, Pair]
) -> dict[str, tuple[Step, ...] | None]:
    """Activations and poolings on the ways to layers with tensors from those before; None where unknown."""
    seen = windows(config, graph)
    own: dict[str, Step | None] = {}
    for name, class_name, settings in every_layer(config):
        if name in with_tensors:
            activation = own_activation(settings)
            own[name] = None if activation == "linear" else Step(activation)
        else:
            own[name] = _step(class_name, settings, seen.get(name), sizes.get(name))
    ways: dict[str, frozenset[str]] = {}
    found: dict[str, tuple[Step, ...] | None] = {}
    for name in topological(graph):
        before = frozenset[str]().union(*(ways[source] for source in graph[name]))
        ways[name] = frozenset({name}) if name in with_tensors else before | {name}
        if name in with_tensors:
            steps = [step for step in (own[each] for each in before) if step is not None]
            known = all(step.what for step in steps)
            found[name] = tuple(sorted(steps, key=lambda step: step.what)) if known else None
    return found


def own_activation(settings: Mapping[str, Any]) -> str:
    """Return the name of a layer's activation; that of a function that is not Keras's is in a dictionary."""
    activation = settings.get("activation", "linear")
    name = activation.get("config") if isinstance(activation, dict) else activation or "linear"
    return OTHER_NAMES.get(name, name) if isinstance(name, str) else ""


def _step(class_name: str, settings: dict[str, Any], window: Window | None, size: Pair | None) -> Step | None:
    """Return what a layer without tensors does, None for nothing; without a name where it is not known."""
    name = snake(class_name)
    if name in MERGES and "trainable" not in settings:
        return Step("")  # no layer but Keras 3's operation of the same name, which may add a number
    if name in CHANGE_NOTHING:
        return None
    if name in POOLINGS:
        return Step(name, window, size)
    if name == "activation":
        name = own_activation(settings)
    elif name in ("re_lu", "leaky_re_lu"):
        name = _rectifier(name, settings)
    elif name not in known_classes():
        name = ""
    return None if name == "linear" else Step(name)


def _rectifier(name: str, settings: dict[str, Any]) -> str:
    default = 0.3 if name == "leaky_re_lu" else 0.0
    slope = float(settings.get("negative_slope", settings.get("alpha", default)) or 0.0)
    limit, threshold = settings.get("max_value"), float(settings.get("threshold") or 0.0)
    if slope or threshold:
        return f"relu(slope {slope:g}, limit {limit}, threshold {threshold:g})"
    return "relu" if limit is None else f"relu{float(limit):g}"


def _zeros(settings: Mapping[str, tuple[str, Any]], sources: Sequence[str]) -> tuple[Pair, Pair]:
    class_name, before = settings.get(sources[0], ("", {})) if len(sources) == 1 else ("", {})
    if class_name != "ZeroPadding2D":
        return NO_ZEROS
    rows, columns = before["padding"]
    return _pair(rows), _pair(columns)


def _pair(values: Any) -> Pair:
    first, second = values
    return int(first), int(second)
