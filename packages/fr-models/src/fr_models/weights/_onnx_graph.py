"""An ONNX file as nodes and constants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval import MissingExtraError

from fr_models import _keras
from fr_models.weights._records import Array


@dataclass(frozen=True)
class Node:
    """One operation; an input that is left out is an empty name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def input(self, number: int) -> str:
        """Name of an input, empty if there are fewer."""
        return self.inputs[number] if number < len(self.inputs) else ""


@dataclass(frozen=True)
class OnnxGraph:
    """Nodes in topological order, and constants by name, nodes that only hold or move constants done.

    Attributes
    ----------
    path : str
        Where it lies.
    nodes : list of Node
        What is left to compute.
    constants : dict
        Initialisers, and what follows from them alone.
    inputs : dict
        Shapes by name; None for a dimension that is free.
    outputs : tuple of str
        Names.
    opset : int
        The version of ONNX's operations.
    """

    path: str
    nodes: list[Node]
    constants: dict[str, Array]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    opset: int


def read_graph(path: Path) -> OnnxGraph:
    """Read a file.

    Raises
    ------
    ValueError
        If it is no ONNX file.
    MissingExtraError
        If onnx is not installed, or is too new for the packages that TensorFlow 2.15 wants.
    """
    try:
        import onnx
    except (ImportError, AttributeError):  # AttributeError: of a type that an older ml_dtypes lacks
        raise MissingExtraError("onnx", _keras.ONNX, str(path)) from None
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's errors have no common name over its versions
        raise ValueError(f"{path}: expected an ONNX file: {' '.join(str(error).split())}") from None
    graph = model.graph
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1)
    if not graph.node:
        raise ValueError(f"{path}: expected an ONNX file, found no operation")
    to_array = onnx.numpy_helper.to_array
    constants = {tensor.name: np.asarray(to_array(tensor)) for tensor in graph.initializer}
    nodes = []
    for number, proto in enumerate(graph.node):
        node = Node(
            proto.op_type,
            proto.name or f"{proto.op_type}_{number}",
            tuple(proto.input),
            tuple(proto.output),
            {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute},
        )
        if not _fold(node, constants, to_array):
            nodes.append(node)
    inputs = {
        value.name: tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in constants
    }
    return OnnxGraph(str(path), nodes, constants, inputs, tuple(value.name for value in graph.output), opset)


def _fold(node: Node, constants: dict[str, Array], to_array: Any) -> bool:
    """Compute a node of constants alone, if it is of a kind that exporters leave; say whether it was."""
    if node.op == "Constant":
        (name, value), *_ = node.attributes.items()
        constants[node.outputs[0]] = np.asarray(to_array(value) if name == "value" else value)
        return True
    if not node.inputs or not all(name in constants for name in node.inputs if name):
        return False
    values = [constants[name] for name in node.inputs if name]
    folded = fold_constants(node, values)
    if folded is None:
        return False
    constants[node.outputs[0]] = folded
    return True


def fold_constants(node: Node, values: list[Array]) -> Array | None:
    """Return what moving and joining of constants gives; None for other operations."""
    attributes = node.attributes
    if node.op in ("Identity", "Cast"):
        return values[0]
    if node.op == "Transpose":
        return values[0].transpose(attributes.get("perm"))
    if node.op == "Concat":
        return np.concatenate(values, attributes["axis"])
    if node.op == "Gather":
        return np.take(values[0], values[1].astype(np.int64), attributes.get("axis", 0))
    if node.op == "Reshape":
        return values[0].reshape([int(n) for n in values[1]])
    if node.op in ("Unsqueeze", "Squeeze"):
        axes = values[1].ravel().tolist() if len(values) > 1 else attributes.get("axes", ())
        if node.op == "Unsqueeze":
            return np.expand_dims(values[0], tuple(axes))
        return np.squeeze(values[0], tuple(axes) or None)
    return None
