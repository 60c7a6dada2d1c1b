"""The layers of a model that have weights, in the order of its graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tensorflow import keras

from fr_models._graph import Graph, flat_layers, model_graph, topological
from fr_models.weights._kinds import ROLE_OF, ROLES, kind_of_class, snake
from fr_models.weights._records import OurLayer, connect, set_settings
from fr_models.weights._settings import Pair

ALL_LAYERS = ("_layers", "_self_tracked_trackables")
KEEP_PLACES = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.UnitNormalization,
)
CHANNELS_FIRST = (3, 1, 2)
OF_PLACES = (keras.layers.Dense, keras.layers.BatchNormalization, keras.layers.PReLU)


def our_layers(model: Any) -> tuple[list[OurLayer], bool]:
    """Layers with weights, and whether the graph between them is known.

    Raises
    ------
    ValueError
        If two of them have one name.
    """
    layers = _by_name(model)
    graph = model_graph(model)
    if graph is not None and not set(layers) <= set(graph):
        graph = None
    order = list(layers) if graph is None else [name for name in topological(graph) if name in layers]
    ours: list[OurLayer] = []
    positions: dict[str, list[int]] = {}
    groups = dict(_group_names(model))
    for name in order:
        parts = list(_parts(layers[name], name, groups[name]))
        positions[name] = list(range(len(ours), len(ours) + len(parts)))
        ours += parts
    if graph is not None:
        connect(ours, graph, positions)
        sizes = dict(_map_sizes(graph, layers))
        set_settings(ours, model.get_config(), graph, positions, sizes)
        for name, found in positions.items():
            for position in found:
                ours[position].size = sizes.get(name)
            if isinstance(layers[name], OF_PLACES) and found:
                ours[found[0]].places = _places(name, graph, layers)
    return ours, graph is not None


def _by_name(model: Any) -> dict[str, Any]:
    """Layers by their names; where two models inside have layers of one name, the one with weights."""
    layers: dict[str, Any] = {}
    for layer in flat_layers(model):
        known = layers.get(layer.name, layer)
        if known is not layer and known.weights and layer.weights:
            raise ValueError(
                f"{model.name}: expected layers with names of their own, found two called {layer.name}"
            )
        layers[layer.name] = known if known.weights else layer
    return layers


def _group_names(model: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """For each layer the name of its group in Keras's files: class and number, in the model's order."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        stem = snake(type(layer).__name__)
        number = counts[stem] = counts.get(stem, -1) + 1
        group = f"{prefix}{stem}_{number}" if number else f"{prefix}{stem}"
        if isinstance(layer, keras.Model):
            yield from _group_names(layer, f"{group}/")
        else:
            yield layer.name, group


def _parts(layer: Any, name: str, other_name: str) -> Iterator[OurLayer]:
    """Yield a layer and the layers inside of it, each with the weights that are its own."""
    inner = [child for child in layer._flatten_layers(recursive=False, include_self=False) if child.weights]
    theirs = {id(weight) for child in inner for weight in child.weights}
    own = [weight for weight in layer.weights if id(weight) not in theirs]
    if own:
        yield _our_layer(layer, own, name, other_name)
    for child in inner:
        yield from _parts(child, f"{name}/{child.name}", f"{other_name}/{_attribute(layer, child)}")


def _our_layer(layer: Any, own: list[Any], name: str, other_name: str) -> OurLayer:
    names = [str(weight.name).split("/")[-1].split(":")[0] for weight in own]
    class_name = type(layer).__name__
    kind = "inner" if "/" in name else kind_of_class(type(layer))
    is_known = {ROLE_OF.get(tensor) for tensor in names} <= set(ROLES.get(kind, ()))
    if kind in ROLES and not is_known:  # one that has more than its kind, as renormalisation has
        kind = snake(class_name)
    return OurLayer(
        name=name,
        kind=kind,
        variables={ROLE_OF[names[n]] if is_known else str(n): variable for n, variable in enumerate(own)},
        other_name=other_name,
        epsilon=float(getattr(layer, "epsilon", 0.0)),
        named=re.fullmatch(rf"{re.escape(snake(class_name))}(_\d+)?", name) is None,
    )


def _attribute(layer: Any, child: Any) -> str:
    """Name of the attribute that holds an inner layer, with class and number where it is a list."""
    attributes = vars(layer)
    for attribute, value in attributes.items():
        if value is child:
            return attribute.lstrip("_")
    for attribute, value in attributes.items():
        if isinstance(value, list) and attribute not in ALL_LAYERS and any(item is child for item in value):
            before = [type(item) for item in value[: [item is child for item in value].index(True)]]
            count = before.count(type(child))
            return f"{attribute.lstrip('_')}/{snake(type(child).__name__)}" + (f"_{count}" if count else "")
    return str(child.name)


def _places(name: str, graph: Graph, layers: dict[str, Any]) -> tuple[int, int, int] | None:
    """Return the shape before the flattening whose places a layer sees, if there is one."""
    sources = graph[name]
    while len(sources) == 1 and isinstance(layers.get(sources[0]), KEEP_PLACES):
        if len(layers[sources[0]].output.shape) != 2:
            return None
        sources = graph[sources[0]]
    flatten = layers.get(sources[0]) if len(sources) == 1 else None
    if not isinstance(flatten, keras.layers.Flatten | keras.layers.Reshape):
        return None
    if len(flatten.input.shape) != 4 or len(flatten.output.shape) != 2:
        return None
    before = layers.get(graph[sources[0]][0]) if len(graph[sources[0]]) == 1 else None
    if isinstance(before, keras.layers.Permute) and tuple(before.dims) == CHANNELS_FIRST:
        return None
    return (int(flatten.input.shape[1]), int(flatten.input.shape[2]), int(flatten.input.shape[3]))


def _map_sizes(graph: Graph, layers: dict[str, Any]) -> Iterator[tuple[str, Pair]]:
    """Height and width of the map that comes into each layer, before a layer of zeros that is its padding."""
    for name, layer in layers.items():
        shape = getattr(getattr(layer, "output", None), "shape", ())
        if len(shape) != 4 or len(graph[name]) != 1:
            continue
        before = layers.get(graph[name][0])
        source = before if isinstance(before, keras.layers.ZeroPadding2D) else layer
        height, width = source.input.shape[1:3]
        if height is not None and width is not None:
            yield name, (int(height), int(width))
