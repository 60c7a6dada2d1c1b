"""What is built so far of an ONNX graph, as tensors of Keras."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow import keras

from fr_models.weights._onnx_graph import Node, OnnxGraph
from fr_models.weights._records import Array


@dataclass(frozen=True)
class Value:
    """A tensor of Keras in place of one of ONNX.

    Attributes
    ----------
    tensor : KerasTensor
        The tensor.
    is_map : bool
        Whether it is ``[B, H, W, C]`` where ONNX has ``[B, C, H, W]``; else dimensions are in ONNX's order.
    places : tuple of int, optional
        ``[H, W, C]`` that was flattened in this order, where ONNX flattens ``[C, H, W]``.
    """

    tensor: Any
    is_map: bool = False
    places: tuple[int, int, int] | None = None


class Builder:
    """Values by ONNX's names, and layers that make new ones."""

    def __init__(self, graph: OnnxGraph, values: dict[str, Value]) -> None:
        self.graph = graph
        self.values = values
        self._names: set[str] = {"image"}

    def constant(self, name: str, what: str) -> Array:
        """Return a stored tensor."""
        if name not in self.graph.constants:
            raise ValueError(f"expected a stored {what}, found a computed one")
        return self.graph.constants[name]

    def is_stored(self, name: str) -> bool:
        """Whether a name is of a constant."""
        return name in self.graph.constants

    def map(self, name: str) -> Any:
        """Return a value as ``[B, H, W, C]``."""
        value = self.values[name]
        if len(value.tensor.shape) != 4:
            raise ValueError(f"expected a feature map, found the shape {list(value.tensor.shape)}")
        return value.tensor if value.is_map else self.lay(keras.layers.Permute((2, 3, 1)), value.tensor, name)

    def plain(self, name: str) -> Any:
        """Return a value with its dimensions in ONNX's order."""
        value = self.values[name]
        return self.lay(keras.layers.Permute((3, 1, 2)), value.tensor, name) if value.is_map else value.tensor

    def put(self, node: Node, tensor: Any, is_map: bool, places: tuple[int, int, int] | None = None) -> None:
        """Set what a node gives."""
        self.values[node.outputs[0]] = Value(tensor, is_map, places)

    def lay(self, layer: Any, inputs: Any, name: str, weights: Sequence[Array] = ()) -> Any:
        """Apply a layer, with a name after ONNX's and these weights."""
        settings = {**layer.get_config(), "name": self.unique(name)}
        named = type(layer).from_config(settings)
        tensor = named(inputs)
        if not all(np.all(np.isfinite(weight)) for weight in weights):
            raise ValueError("expected finite numbers, found NaN or infinity")
        if weights:
            named.set_weights([np.asarray(weight, np.float32) for weight in weights])
        return tensor

    def unique(self, name: str) -> str:
        """Return a name that Keras takes and no layer has yet."""
        stem = re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("_.") or "layer"
        stem = stem if stem[0].isalnum() else f"layer_{stem}"
        unique, number = stem, 1
        while unique in self._names:
            unique, number = f"{stem}_{number}", number + 1
        self._names.add(unique)
        return unique

    def consumers(self, name: str) -> list[Node]:
        """Nodes that take a value."""
        return [node for node in self.graph.nodes if name in node.inputs]
