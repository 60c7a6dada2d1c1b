"""Laying a functional model again, of new layers with the old weights.

A change says what stands in a layer's place; every other layer becomes a new object, made from the
configuration of the old one, whose weights are copied into it. At the end each weight of the new model must
have come from somewhere: from a layer of the old one, from the change, or from an initializer where the
change has said so. The old model is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from fr_models.surgery._calls import Call, Layer, calls, graph, is_model, layers

Laid = Callable[..., Any]
Change = Callable[[Layer, "Copies"], Laid | None]


def keep(layer: Layer, copies: Copies) -> None:
    """Change nothing."""
    del layer, copies


def rebuild(model: Any, change: Change = keep) -> Any:
    """Return a model of new layers with the weights, names and trainable flags of another's.

    Parameters
    ----------
    model : keras.Model
        A functional one; nested functional models and Sequentials are laid again too.
    change : callable
        Takes a layer, of any depth, and the `Copies`, and returns what is called in the layer's place,
        wherever that was called; None for a copy.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ValueError
        If the model is not functional, a layer cannot be made from its own configuration, or a weight has no
        source.
    """
    _all_in_graph(model)
    copies = Copies(model, change)
    new = copies.model(model)
    copies.fill(new)
    return new


class Copies:
    """Makes new layers, and remembers where the weights of each come from."""

    def __init__(self, model: Any, change: Change) -> None:
        self._change = change
        self._names = {layer.name for layer in layers(model)}
        self._ends = {
            id(call.layer)
            for part, call in calls(model)
            if any(id(output) in part.ends for output in call.outputs)
        }
        self._laid: dict[int, Laid] = {}
        self._models: list[tuple[Any, Any]] = []
        self._copied: list[tuple[Layer, Layer]] = []
        self._given: list[tuple[Layer, Layer, Sequence[Any]]] = []
        self._fresh: list[tuple[Layer, bool]] = []

    def copy(self, layer: Layer, /, **settings: Any) -> Layer:
        """Make a layer with the weights of one, and its settings but for those given."""
        new = _again(layer, settings)
        self._copied.append((layer, new))
        return new

    def with_weights(self, layer: Layer, weights: Sequence[Any], /, **settings: Any) -> Layer:
        """Make a layer with the settings of one but for those given, and other weights."""
        new = _again(layer, settings)
        self._given.append((layer, new, weights))
        return new

    def fresh(self, made: Layer, like: Layer, name: str) -> Layer:
        """Make a layer of this name with the settings of one just made, in the precision of another.

        Its weights stay as its initializers make them, and are trainable if those of the other are.
        """
        new = _again(made, {"name": name, "dtype": like.dtype_policy})
        self._fresh.append((new, like.trainable))
        return new

    def name(self, wanted: str) -> str:
        """Return a name that no other layer has: the one that is wanted, or with a number."""
        free, number = wanted, 0
        while free in self._names:
            number += 1
            free = f"{wanted}_{number}"
        self._names.add(free)
        return free

    def nothing(self, layer: Layer) -> Laid:
        """Put nothing in a layer's place, or a linear activation of its name if it gives an output."""
        if id(layer) in self._ends:
            linear = self.fresh(keras.layers.Activation("linear"), layer, layer.name)
            return lambda inputs, **_: linear(inputs)
        return lambda inputs, **_: inputs

    def model(self, model: Any) -> Any:
        """Lay a model, nested or not, again."""
        old = graph(model)
        values: dict[int, Any] = {}
        for call in old.calls:
            if isinstance(call.layer, keras.layers.InputLayer):
                outputs = self._input(call.layer)
            else:
                args, kwargs = _arguments(call, values)
                outputs = self._lay(call.layer)(*args, **kwargs)
            for before, after in zip(call.outputs, tf.nest.flatten(outputs), strict=True):
                values[id(before)] = after
        inputs, outputs = tf.nest.map_structure(lambda tensor: values[id(tensor)], (old.inputs, old.outputs))
        new = keras.Model(inputs, outputs, name=model.name)
        self._models.append((model, new))
        return new

    def fill(self, model: Any) -> None:
        """Set flags and weights of the layers that were made, and see that none is missing."""
        for old, new in reversed(self._models):  # a model's flag is its layers' too, so they come after it
            new.trainable = old.trainable
        for old, new in self._copied:
            _copy_weights(old, new)
        for old, new, weights in self._given:
            new.trainable = old.trainable
            new.set_weights(weights)
        for new, trainable in self._fresh:
            new.trainable = trainable
        copied, given = [new for _, new in self._copied], [new for _, new, _ in self._given]
        fresh = [new for new, _ in self._fresh]
        sources = {id(weight) for layer in copied + given + fresh for weight in layer.weights}
        orphans = [weight.name for weight in model.weights if id(weight) not in sources]
        if orphans:
            raise ValueError(f"{model.name}: weights without a source: {', '.join(orphans)}")

    def _input(self, layer: Layer) -> Any:
        return _again(layer, {}).output

    def _lay(self, layer: Layer) -> Laid:
        if id(layer) not in self._laid:
            self._laid[id(layer)] = self._make(layer)
        return self._laid[id(layer)]

    def _make(self, layer: Layer) -> Laid:
        if is_model(layer):
            return self.model(layer)
        if not isinstance(layer, keras.layers.Layer):  # an operation of Keras 3, which has no weights
            return _again(layer, {})
        return self._change(layer, self) or self.copy(layer)


def _all_in_graph(model: Any) -> None:
    known = {id(weight) for layer in layers(model) for weight in getattr(layer, "weights", ())}
    strays = [weight.name for weight in model.weights if id(weight) not in known]
    if strays:
        raise ValueError(
            f"{model.name}: has weights outside its graph, which would be lost: {', '.join(strays)}"
        )


def _again(layer: Layer, settings: dict[str, Any]) -> Layer:
    config = {**layer.get_config(), **settings}
    try:
        new = layer.__class__.from_config(config)
        if (
            "name" not in config and new.name != layer.name
        ):  # Keras tells none where a layer has no get_config
            new = layer.__class__.from_config({**config, "name": layer.name})
        return new
    except Exception as problem:
        raise ValueError(
            f"{layer.name}: {type(layer).__name__} cannot be made from its own configuration: "
            f"{str(problem).strip().splitlines()[0]}"
        ) from problem


def _arguments(call: Call, values: dict[int, Any]) -> Any:
    """Return a call's arguments with the tensors of the new model in place of the old one's."""
    for leaf in tf.nest.flatten((call.args, call.kwargs)):
        if hasattr(leaf, "assign"):
            raise ValueError(
                f"{call.layer.name}: is called with a variable that belongs to no layer; put it into one"
            )
    return tf.nest.map_structure(lambda leaf: values.get(id(leaf), leaf), (call.args, call.kwargs))


def _copy_weights(old: Layer, new: Layer) -> None:
    """Copy flags and weights, part by part of layers that have layers in them."""
    parts = [list(layer._flatten_layers()) for layer in (old, new)]
    for source, part in zip(*parts, strict=False):
        part.trainable = source.trainable  # Keras orders weights by it
    shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (old, new)]
    if shapes[0] != shapes[1] or len(parts[0]) != len(parts[1]):
        raise ValueError(
            f"{old.name}: {type(old).__name__} made from its own configuration has weights of shapes "
            f"{shapes[1]}, expected {shapes[0]}"
        )
    for source, part in zip(*parts, strict=True):
        stored: dict[str, Any] = {}
        source.save_own_variables(stored)
        if stored:
            part.load_own_variables({name: np.asarray(weight) for name, weight in stored.items()})
