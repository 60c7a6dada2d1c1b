"""What a config says of layers beyond their tensors: windows, and what lies between layers with tensors.

With equal kernels, another stride, padding, activation or pooling gives other numbers. What is of no known
class, such as an operation that Keras has written as a layer, cannot be compared, and is not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fr_models._graph import MODELS, Graph, every_layer, topological
from fr_models.weights._kinds import ROLES, kind_of_class, known_classes, snake

Pair = tuple[int, int]
OTHER_NAMES = {"swish": "silu", "hard_silu": "hard_swish"}
NO_ZEROS = ((0, 0), (0, 0))
POOLINGS = ("max_pooling2d", "average_pooling2d")
MERGES = ("add", "multiply", "concatenate")
SETTINGS = {  # of Keras's layers, those that change numbers and not shapes
    "elu": ("alpha",),
    "group_normalization": ("groups", "epsilon"),
    "layer_normalization": ("epsilon",),
    "multi_head_attention": ("num_heads", "key_dim"),
    "rescaling": ("scale", "offset"),
    "softmax": ("axis",),
    "up_sampling2d": ("interpolation",),
}
OF_ANY_LAYER = ("name", "trainable", "dtype", "autocast", "seed", "batch_input_shape")
OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
CHANGE_NOTHING = {
    *(
        "input_layer",
        "dropout",
        "spatial_dropout2d",
        "stochastic_depth",
        "gaussian_dropout",
        "gaussian_noise",
        "feature_norm",  # an output beside the embedding
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
    own = _steps(config, graph, with_tensors, sizes)
    ways: dict[str, frozenset[str]] = {}
    found: dict[str, tuple[Step, ...] | None] = {}
    for name in topological(graph):
        before = frozenset[str]().union(*(ways[source] for source in graph[name]))
        ways[name] = frozenset({name}) if name in with_tensors else before | {name}
        if name in with_tensors:
            found[name] = _known(before, own)
    return found


def steps_after(
    config: dict[str, Any], graph: Graph, with_tensors: Collection[str], sizes: Mapping[str, Pair]
) -> dict[str, tuple[Step, ...] | None]:
    """Activations and poolings from the last layers with tensors to the end; None where unknown."""
    own = _steps(config, graph, with_tensors, sizes)
    after: dict[str, frozenset[str]] = {name: frozenset({name}) for name in graph}
    for name in reversed(topological(graph)):
        for source in graph[name]:
            after[source] |= after[name]
    lasts = [name for name in graph if name in with_tensors and after[name] & set(with_tensors) == {name}]
    return {name: _known(after[name], own) for name in lasts}


def _steps(
    config: dict[str, Any], graph: Graph, with_tensors: Collection[str], sizes: Mapping[str, Pair]
) -> dict[str, tuple[Step, ...]]:
    """Return what each layer does beside its tensors."""
    seen = windows(config, graph)
    own: dict[str, tuple[Step, ...]] = {}
    for name, class_name, settings in every_layer(config):
        if name in with_tensors:
            kept = [_with_settings(class_name, settings), own_activation(settings)]
            own[name] = tuple(Step(what) for what in kept if what not in ("linear", snake(class_name)))
        else:
            step = _step(class_name, settings, seen.get(name), sizes.get(name))
            own[name] = () if step is None else (step,)
    return own


def _known(names: Collection[str], own: Mapping[str, tuple[Step, ...]]) -> tuple[Step, ...] | None:
    """Return the steps of these layers in one order, or None if one is not known."""
    steps = [step for name in names for step in own[name]]
    return tuple(sorted(steps, key=lambda step: step.what)) if all(step.what for step in steps) else None


def _with_settings(class_name: str, settings: Mapping[str, Any]) -> str:
    """Return a layer's class with the settings that change its numbers and that no tensor tells."""
    name = snake(class_name)
    known = known_classes().get(name)
    names = SETTINGS.get(name, ())
    if known is not None and known.__module__.startswith("fr_models.") and kind_of_class(known) not in ROLES:
        names = tuple(sorted(n for n in settings if n not in OF_ANY_LAYER and not n.endswith(OF_TRAINING)))
    kept = ", ".join(f"{each} {json.dumps(settings.get(each))}" for each in names)
    return f"{name}({kept})" if kept else name


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
    else:
        name = _with_settings(class_name, settings)
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
