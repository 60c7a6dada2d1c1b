"""Initialisers of ONNX files, each with its place in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fr_models.weights._channels_first import file_layer
from fr_models.weights._onnx_graph import Node, OnnxGraph, read_graph
from fr_models.weights._records import Array, File, FileLayer
from fr_models.weights._settings import Window

HARD_SIGMOID = {"Add": 3.0, "Div": 6.0, "Mul": 1 / 6}  # its numbers, as relu6(x + 3) / 6
NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0}
WITH_TENSORS = ("Conv", "Gemm", "MatMul", "BatchNormalization", "PRelu")
RESIZING = ("Resize", "Upsample")  # whose constants are sizes
KEEP_ORDER = ("Flatten", "Reshape", "Identity", "Dropout", "Squeeze")
NUMBER_BY_NUMBER = ("BatchNormalization", "Clip", "LeakyRelu", "PRelu", "Relu", "Sigmoid", "Tanh")
TO_CHANNELS_LAST = [0, 2, 3, 1]


def read_onnx(path: Path) -> File:
    """Read convolutions, dense layers, batch normalisation and PReLU, and what feeds what.

    Stored numbers that are added or multiplied in between are layers of a kind that no model has, so that a
    file with such is refused.

    Raises
    ------
    ValueError
        If a kernel is computed and not stored, a padding is not of zeros, or the file is no ONNX file.
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
        is_computed = node.op != "Shape" and any(name in feeds for name in node.inputs)
        if layer is None and is_computed and node.op in NEUTRAL and node.name not in biases:
            layer = _arithmetic(node, graph, consumers)
        if layer is not None:
            layer.feeds = fed
            by_output[node.outputs[0]] = len(layers)
            fed = frozenset({len(layers)})
            layers.append(layer)
        elif node.name in biases:
            by_output[node.outputs[0]] = next(iter(fed))
        if is_computed:
            feeds |= dict.fromkeys(node.outputs, fed)
    _set_followers(layers, by_output, consumers, graph)
    taken = {name for layer in layers for name in layer.names.values()}
    used = {name for node in graph.nodes if node.op not in RESIZING for name in node.inputs}
    others = {
        name: value
        for name, value in graph.constants.items()
        if name in used - taken and value.size > 1 and np.issubdtype(value.dtype, np.floating)
    }
    return File(str(path), layers, has_graph=True, others=others, is_network=True)


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
    """Return strides and padding of a convolution, zeros of a node before it included."""
    attributes = node.attributes
    if node.op != "Conv" or graph.constants[node.input(1)].ndim != 4:
        return None
    kernel = graph.constants[node.input(1)].shape
    stride_h, stride_w = attributes.get("strides", (1, 1))
    sizes = zip(kernel[2:], attributes.get("dilations", (1, 1)), strict=True)
    height, width = ((n - 1) * dilation + 1 for n, dilation in sizes)
    before = next((n for n in graph.nodes if n.op == "Pad" and n.outputs[0] == node.input(0)), None)
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic.startswith("SAME"):
        is_even = (stride_h, stride_w) == (1, 1) and height % 2 == width % 2 == 1
        if before is not None or (automatic == "SAME_LOWER" and not is_even):
            more = "" if before is None else f" after {before.name}"
            raise ValueError(
                f"{graph.path}: {node.name}: expected zeros as pads or SAME_UPPER, found {automatic}{more}"
            )
        return Window((stride_h, stride_w), (height, width), None)
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0)) if automatic == "NOTSET" else (0,) * 4
    if before is not None:
        above, beside, below, beyond = _pads(before, graph)
        top, left, bottom, right = top + above, left + beside, bottom + below, right + beyond
    return Window((stride_h, stride_w), (height, width), ((top, bottom), (left, right)))


def _pads(node: Node, graph: OnnxGraph) -> tuple[int, int, int, int]:
    """Zeros at the top, left, bottom and right that a node adds."""
    stored = graph.constants
    pads = node.attributes.get("pads", stored.get(node.input(1)))
    value = stored.get(node.input(2)) if node.input(2) else np.float32(node.attributes.get("value", 0.0))
    mode = node.attributes.get("mode", b"constant").decode()
    pads = [] if pads is None else [int(n) for n in pads]
    if mode != "constant" or value is None or np.any(value != 0) or len(pads) != 8 or node.input(3):
        raise ValueError(
            f"{graph.path}: {node.name}: expected stored pads of zeros for 4 dimensions, found {mode} {pads}"
        )
    if any(pads[n] for n in (0, 1, 4, 5)):
        raise ValueError(f"{graph.path}: {node.name}: expected zeros around height and width, found {pads}")
    return pads[2], pads[3], pads[6], pads[7]


def _gemm(node: Node, tensors: dict[str, Array]) -> dict[str, Array]:
    """Kernel ``[O, I]`` and bias of ``alpha A B + beta C``."""
    kernel = tensors["kernel"] if node.attributes.get("transB", 0) else tensors["kernel"].T
    scaled = {"kernel": kernel * np.float32(node.attributes.get("alpha", 1.0))}
    if "bias" in tensors:
        scaled["bias"] = tensors["bias"].ravel() * np.float32(node.attributes.get("beta", 1.0))
    return scaled


def _arithmetic(node: Node, graph: OnnxGraph, consumers: Mapping[str, list[Node]]) -> FileLayer | None:
    """Return a layer of a kind that no model has, for stored numbers that come in between."""
    stored = [
        name
        for name in node.inputs
        if name in graph.constants and np.issubdtype(graph.constants[name].dtype, np.floating)
    ]
    if not stored or _changes_nothing(node, graph) or _is_of_hard_sigmoid(node, graph, consumers):
        return None
    return FileLayer(
        name=node.name,
        kind=node.op,
        tensors={"0": graph.constants[stored[0]]},
        names={"0": stored[0]},
    )


def _changes_nothing(node: Node, graph: OnnxGraph) -> bool:
    """Whether it adds 0 or multiplies by 1."""
    numbers = [graph.constants[name] for name in node.inputs[1:] if name in graph.constants]
    if node.op in ("Add", "Mul"):
        numbers += [graph.constants[name] for name in node.inputs[:1] if name in graph.constants]
    return any(number.size == 1 and number.item() == NEUTRAL[node.op] for number in numbers)


def _is_of_hard_sigmoid(node: Node, graph: OnnxGraph, consumers: Mapping[str, list[Node]]) -> bool:
    """Whether it is the first or last step of ``relu6(x + 3) / 6``, or ``x relu6(x + 3) / 6``."""
    number = next((graph.constants[name] for name in node.inputs if name in graph.constants), None)
    expected = HARD_SIGMOID.get(node.op)
    if number is None or expected is None or number.size != 1 or not np.isclose(number.item(), expected):
        return False
    if node.op == "Add":
        return {each.op for each in consumers.get(node.outputs[0], [])} == {"Clip"}
    before = [n for n in graph.nodes if n.outputs[0] in node.inputs]
    if before and before[0].op == "Mul":
        before = [n for n in graph.nodes if n.outputs[0] in before[0].inputs]
    return any(each.op == "Clip" for each in before)


def _is_channels_last(name: str, graph: OnnxGraph) -> bool:
    """Whether what is flattened into ``name`` was transposed to ``[H, W, C]`` before."""
    producers = {output: node for node in graph.nodes for output in node.outputs}
    node = producers.get(name)
    while node is not None and node.op in (*KEEP_ORDER, *NUMBER_BY_NUMBER):
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
        layer = layers[position]
        if is_last and layer.kind in ("conv", "depthwise"):
            follower = by_output[after[0].outputs[0]]
            if layers[follower].tensors["mean"].size == _units(layer):
                layer.follower = follower


def _units(layer: FileLayer) -> int:
    """Channels that a convolution gives; where a map is flattened, what follows has more."""
    shape = layer.tensors["kernel"].shape
    return shape[-1] * shape[-2] if layer.kind == "depthwise" else shape[-1]
