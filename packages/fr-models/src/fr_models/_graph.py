"""Which layer feeds which: of models, and of configs of files, read as data: nothing in them is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tensorflow import keras

CONSTANT = "_CONSTANT_VALUE"  # what Keras 2 writes for a number in the place of a layer
MODELS = ("Functional", "Sequential", "Model")

Graph = dict[str, list[str]]


def model_graph(model: Any) -> Graph | None:
    """Which layer feeds which, or None where the model is no graph of layers with names of their own."""
    try:
        return layer_graph(model.get_config())
    except NotImplementedError:
        return None


def flat_layers(model: Any) -> Iterator[Any]:
    """Layers of a model, those of models inside of it in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat_layers(layer)
        else:
            yield layer


def layer_graph(config: dict[str, Any]) -> Graph | None:
    """Names of layers, those of models inside of models too, each with those that feed it, in order.

    None for a graph of another form, such as one that calls an inner model twice.
    """
    graph: Graph = {}
    ends: dict[str, list[str]] = {}
    if not _add_model(config, graph, ends):
        return None
    return {
        name: [end for source in sources for end in ends.get(source, [source])]
        for name, sources in graph.items()
    }


def every_layer(config: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, class and settings of all layers in the config's order, inner models before their layers."""
    for layer in config.get("layers", []):
        yield _name(layer), layer["class_name"], layer["config"]
        if layer["class_name"] in MODELS:
            yield from every_layer(layer["config"])


def topological(graph: Graph) -> list[str]:
    """Names such that what feeds a layer comes before it, otherwise in the graph's order."""
    done: dict[str, None] = {}
    for name in graph:
        waiting = [name]
        while waiting:
            open_inputs = [source for source in graph.get(waiting[-1], []) if source not in done]
            if open_inputs:
                waiting.append(open_inputs[0])
            else:
                done[waiting.pop()] = None
    return list(done)


def _add_model(config: dict[str, Any], graph: Graph, ends: dict[str, list[str]]) -> bool:
    previous: list[str] = []
    for layer in config.get("layers", []):
        name = _name(layer)
        nodes = layer.get("inbound_nodes")
        sources = previous if nodes is None else list(dict.fromkeys(_sources(nodes)))
        if name in graph:
            return False
        graph[name] = sources
        previous = [name]
        if layer["class_name"] in MODELS:
            if nodes is not None and len(nodes) > 1:
                return False
            inner = layer["config"]
            if not _add_model(inner, graph, ends):
                return False
            first, last = _ends_of(inner)
            for start in first:
                graph[start] = [*graph[start], *sources]
            graph[name] = []
            ends[name] = [end for name_of_last in last for end in ends.get(name_of_last, [name_of_last])]
    return True


def _name(layer: dict[str, Any]) -> str:
    return str(layer.get("name") or layer["config"].get("name", ""))


def _ends_of(config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of the layers where an inner model begins and ends."""
    if "input_layers" in config:
        return list(_named(config["input_layers"])), list(_named(config["output_layers"]))
    names = [_name(layer) for layer in config["layers"]]
    return names[:1], names[-1:]


def _named(ends: Any) -> Iterator[str]:
    """Names in ``["layer", 0, 0]`` or a list of such."""
    if ends and isinstance(ends[0], str):
        yield ends[0]
    else:
        for end in ends:
            yield from _named(end)


def _sources(node: Any) -> Iterator[str]:
    """Names in an inbound node: ``["layer", 0, 0, {...}]`` of Keras 2, ``keras_history`` of Keras 3."""
    if isinstance(node, dict):
        if "keras_history" in node:
            yield str(node["keras_history"][0])
            return
        node = list(node.values())
    if isinstance(node, list | tuple):
        if len(node) >= 3 and isinstance(node[0], str) and all(isinstance(n, int) for n in node[1:3]):
            if node[0] != CONSTANT:
                yield node[0]
            node = node[3:]
        for part in node:
            yield from _sources(part)
