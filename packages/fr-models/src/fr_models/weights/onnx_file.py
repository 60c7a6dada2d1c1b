"""Initialisers of ONNX files, each with its place in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fr_models.weights._channels_first import file_layer
from fr_models.weights._onnx_graph import Node, OnnxGraph, read_graph
from fr_models.weights._records import Array, File, FileLayer
from fr_models.weights._settings import Window

WITH_TENSORS = ("Conv", "Gemm", "MatMul", "BatchNormalization", "PRelu")
ARITHMETIC = ("Add", "Sub", "Mul", "Div")
RESIZING = ("Resize", "Upsample")  # whose constants are sizes
KEEP_ORDER = ("Flatten", "Reshape", "Identity", "Dropout", "Squeeze")
TO_CHANNELS_LAST = [0, 2, 3, 1]


def read_onnx(path: Path) -> File:
    """Read convolutions, dense layers, batch normalisation and PReLU, and what feeds what.

    Raises
    ------
    ValueError
        If a kernel is computed and not stored, or the file is no ONNX file.
    MissingExtraError
        If onnx is not installed.
    """
    graph = read_graph(path)
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    layers: list[FileLayer] = []
    feeds: dict[str, frozenset[int]] = dict.fromkeys(graph.inputs, frozenset())
    by_output: dict[str, int] = {}
    biases: set[str] = set()
    for node in graph.nodes:
        fed = frozenset(position for name in node.inputs for position in feeds.get(name, ()))
        layer = None if node.name in biases else _layer(node, graph, consumers, biases)
        if layer is None and node.op in ARITHMETIC and fed and node.name not in biases:
            layer = _arithmetic(node, graph)
        if layer is not None:
            layer.feeds = fed
            by_output[node.outputs[0]] = len(layers)
            fed = frozenset({len(layers)})
            layers.append(layer)
        elif node.name in biases:
            by_output[node.outputs[0]] = next(iter(fed))
        for name in node.outputs:
            feeds[name] = fed
    _set_followers(layers, by_output, consumers, graph)
    taken = {name for layer in layers for name in layer.names.values()}
    used = {name for node in graph.nodes if node.op not in RESIZING for name in node.inputs}
    others = {
        name: value
        for name, value in graph.constants.items()
        if name in used - taken and value.size > 1 and np.issubdtype(value.dtype, np.floating)
    }
    return File(str(path), layers, has_graph=True, others=others)


def _layer(
    node: Node, graph: OnnxGraph, consumers: Mapping[str, list[Node]], biases: set[str]
) -> FileLayer | None:
    """Return the layer of a node, if it is one, with the bias that the next node may add."""
    constants = graph.constants
    if node.op not in WITH_TENSORS or (node.op == "MatMul" and node.input(1) not in constants):
        return None
    roles = {
        "Conv": {"kernel": 1, "bias": 2},
        "Gemm": {"kernel": 1, "bias": 2},
        "MatMul": {"kernel": 1},
        "BatchNormalization": {"gamma": 1, "beta": 2, "mean": 3, "variance": 4},
        "PRelu": {"alpha": 1},
    }[node.op]
    names = {role: node.input(number) for role, number in roles.items() if node.input(number)}
    for role, name in names.items():
        if name not in constants:
            raise ValueError(f"{graph.path}: {node.name}: expected a stored {role}, found a computed one")
    tensors = {role: constants[name].astype(np.float32) for role, name in names.items()}
    if node.op == "MatMul":
        tensors["kernel"] = tensors["kernel"].T
        after = consumers.get(node.outputs[0], [])
        added = (
            [n for n in after[0].inputs if n in constants] if len(after) == 1 and after[0].op == "Add" else []
        )
        if added and constants[added[0]].size == tensors["kernel"].shape[0]:
            names["bias"], tensors["bias"] = added[0], constants[added[0]].ravel().astype(np.float32)
            biases.add(after[0].name)
    if node.op == "Gemm":
        tensors = _gemm(node, tensors)
    layer = file_layer(node.name, tensors, names, float(node.attributes.get("epsilon", 1e-5)))
    layer.window, layer.pads_alike = _window(node, graph), False
    layer.channels_first = not _is_channels_last(node.input(0), graph)
    return layer


def _window(node: Node, graph: OnnxGraph) -> Window | None:
    """Return strides and padding where the node alone says them."""
    attributes = node.attributes
    is_padded = any(each.op == "Pad" and each.outputs[0] == node.input(0) for each in graph.nodes)
    if node.op != "Conv" or is_padded or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return None
    kernel = graph.constants[node.input(1)].shape
    if len(kernel) != 4:
        return None
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    stride_h, stride_w = attributes.get("strides", (1, 1))
    sizes = zip(kernel[2:], attributes.get("dilations", (1, 1)), strict=True)
    height, width = ((n - 1) * dilation + 1 for n, dilation in sizes)
    return Window((stride_h, stride_w), (height, width), ((top, bottom), (left, right)))


def _gemm(node: Node, tensors: dict[str, Array]) -> dict[str, Array]:
    """Kernel ``[O, I]`` and bias of ``alpha A B + beta C``."""
    kernel = tensors["kernel"] if node.attributes.get("transB", 0) else tensors["kernel"].T
    scaled = {"kernel": kernel * np.float32(node.attributes.get("alpha", 1.0))}
    if "bias" in tensors:
        scaled["bias"] = tensors["bias"].ravel() * np.float32(node.attributes.get("beta", 1.0))
    return scaled


def _arithmetic(node: Node, graph: OnnxGraph) -> FileLayer | None:
    """Return a layer of a kind that no model has, for stored numbers that come in between."""
    stored = [name for name in node.inputs if name in graph.constants and graph.constants[name].size > 1]
    if not stored:
        return None
    return FileLayer(
        name=node.name,
        kind=node.op,
        tensors={"0": graph.constants[stored[0]]},
        names={"0": stored[0]},
    )


def _is_channels_last(name: str, graph: OnnxGraph) -> bool:
    """Whether what is flattened into ``name`` was transposed to ``[H, W, C]`` before."""
    producers = {output: node for node in graph.nodes for output in node.outputs}
    node = producers.get(name)
    while node is not None and node.op in KEEP_ORDER:
        node = producers.get(node.input(0))
    return node is not None and node.op == "Transpose" and list(node.attributes["perm"]) == TO_CHANNELS_LAST


def _set_followers(
    layers: list[FileLayer],
    by_output: Mapping[str, int],
    consumers: Mapping[str, list[Node]],
    graph: OnnxGraph,
) -> None:
    for output, position in by_output.items():
        after = consumers.get(output, [])
        while len(after) == 1 and after[0].op in KEEP_ORDER:
            output = after[0].outputs[0]
            after = consumers.get(output, [])
        is_last = len(after) == 1 and after[0].op == "BatchNormalization" and output not in graph.outputs
        if is_last and layers[position].kind in ("conv", "depthwise"):
            layers[position].follower = by_output[after[0].outputs[0]]
