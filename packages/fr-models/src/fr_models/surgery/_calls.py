"""What the graph of a functional model looks like, its nested models included."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from fr_models import _keras

Tensor = Any
Layer = Any


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes
    ----------
    layer : keras.Layer
        What is called: a layer, a nested model or an operation of Keras.
    args, kwargs
        What it is called with.
    outputs : list of tensor
        What it gives, flat.
    """

    layer: Layer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Tensor]

    def sources(self, known: Any) -> list[Tensor]:
        """Arguments, flat, that are tensors of the graph: whose identity is among the known."""
        return [leaf for leaf in tf.nest.flatten((self.args, self.kwargs)) if id(leaf) in known]


@dataclass
class Graph:
    """The calls of one model, inputs first; those of nested models are in graphs of their own.

    Attributes
    ----------
    calls : list of Call
        In an order in which they can be repeated.
    inputs, outputs
        The structures of tensors that the model takes and gives.
    producer : dict
        From the identity of a tensor to the call that gives it.
    consumers : dict
        From the identity of a tensor to the calls that take it.
    ends : set
        The identities of the outputs.
    """

    calls: list[Call]
    inputs: Any
    outputs: Any
    producer: dict[int, Call] = field(init=False)
    consumers: dict[int, list[Call]] = field(init=False)
    ends: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.producer = {id(output): call for call in self.calls for output in call.outputs}
        self.consumers = defaultdict(list)
        for call in self.calls:
            for source in call.sources(self.producer):
                self.consumers[id(source)].append(call)
        self.ends = {id(output) for output in tf.nest.flatten(self.outputs)}

    def sources(self, call: Call) -> list[Tensor]:
        """Tensors that a call takes."""
        return call.sources(self.producer)

    def before(self, call: Call) -> Call | None:
        """Return the call that gives the only tensor of a call, if no other takes it and it is no output."""
        sources = self.sources(call)
        if len(sources) != 1 or len(self.consumers[id(sources[0])]) != 1 or id(sources[0]) in self.ends:
            return None
        return self.producer[id(sources[0])]

    def after(self, call: Call) -> Call | None:
        """Return the call that alone takes the only tensor of a call, if it takes no other."""
        if len(call.outputs) != 1 or id(call.outputs[0]) in self.ends:
            return None
        consumers = self.consumers[id(call.outputs[0])]
        return consumers[0] if len(consumers) == 1 and len(self.sources(consumers[0])) == 1 else None


def graph(model: Any) -> Graph:
    """Return the graph of a model.

    Raises
    ------
    ValueError
        If it is not a functional model.
    """
    functional = _keras.graph_of(model)
    if functional is None:
        name = getattr(model, "name", repr(model))
        raise ValueError(
            f"{name}: expected a functional model, keras.Model(inputs, outputs) or a built Sequential, "
            f"got {type(model).__name__}"
        )
    calls = [
        Call(layer, args, kwargs, tf.nest.flatten(outputs))
        for layer, args, kwargs, outputs in _keras.graph_calls(functional)
    ]
    return Graph(calls, *_keras.graph_ends(functional))


def calls(model: Any) -> list[tuple[Graph, Call]]:
    """Return calls in a model, those of a nested one in place of its first own call."""
    return list(_calls(model, set()))


def _calls(model: Any, seen: set[int]) -> Iterator[tuple[Graph, Call]]:
    seen.add(id(model))
    part = graph(model)
    for call in part.calls:
        if not is_model(call.layer):
            yield part, call
        elif id(call.layer) not in seen:
            yield from _calls(call.layer, seen)


def is_model(layer: Layer) -> bool:
    """Whether a layer is a functional model, whose layers surgery reaches."""
    return _keras.graph_of(layer) is not None


def layers(model: Any) -> list[Layer]:
    """Layers of a model and of the models in it, each once, without these models."""
    return list({id(call.layer): call.layer for _, call in calls(model)}.values())


def call_counts(model: Any) -> Counter[int]:
    """How often each layer is called, by its identity, in a model and the models in it."""
    return Counter(id(call.layer) for _, call in calls(model))
