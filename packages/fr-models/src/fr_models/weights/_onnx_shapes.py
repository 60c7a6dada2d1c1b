"""Operations of ONNX that move numbers: flattening, reshaping, transposing, joining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tensorflow import keras

from fr_models.weights._onnx_build import Builder
from fr_models.weights._onnx_graph import Node

BY_MATRIX = ("Gemm", "MatMul")


def flatten(build: Builder, node: Node) -> None:
    """Make a row an image. Before dense layers alone the order stays ours: their kernels are reordered."""
    if node.attributes.get("axis", 1) != 1:
        raise ValueError(f"expected axis 1, found {node.attributes['axis']}")
    value = build.values[node.inputs[0]]
    if not value.is_map:
        build.put(node, build.lay(keras.layers.Flatten(), value.tensor, node.name), is_map=False)
        return
    height, width, channels = (int(n) for n in value.tensor.shape[1:])
    consumers = [] if node.outputs[0] in build.graph.outputs else build.consumers(node.outputs[0])
    if height * width == 1:
        build.put(node, build.lay(keras.layers.Flatten(), value.tensor, node.name), is_map=False)
    elif consumers and all(each.op in BY_MATRIX for each in consumers):
        tensor = build.lay(keras.layers.Flatten(), value.tensor, node.name)
        build.put(node, tensor, False, (height, width, channels))
    else:
        tensor = build.lay(keras.layers.Flatten(), build.plain(node.inputs[0]), node.name)
        build.put(node, tensor, is_map=False)


def reshape(build: Builder, node: Node) -> None:
    """Give new dimensions after the first, which is the batch."""
    target = [int(n) for n in build.constant(node.inputs[1], "shape").ravel()]
    _reshaped(build, node, target[1:])


def squeeze(build: Builder, node: Node) -> None:
    """Leave out dimensions of size 1."""
    sizes = _sizes(build, node)
    axes = [axis % len(sizes) for axis in _axes(build, node)]
    _reshaped(build, node, [size for axis, size in enumerate(sizes) if axis not in axes][1:])


def unsqueeze(build: Builder, node: Node) -> None:
    """Add dimensions of size 1."""
    sizes, axes = _sizes(build, node), _axes(build, node)
    rank = len(sizes) + len(axes)
    added = {axis % rank for axis in axes}
    left = iter(sizes)
    _reshaped(build, node, [1 if axis in added else next(left) for axis in range(rank)][1:])


def transpose(build: Builder, node: Node) -> None:
    """Reorder dimensions; between ``[C, H, W]`` and ``[H, W, C]`` there is nothing to do."""
    value, order = build.values[node.inputs[0]], list(node.attributes["perm"])
    if value.is_map and order == [0, 2, 3, 1]:
        build.put(node, value.tensor, is_map=False)
    elif not value.is_map and order == [0, 3, 1, 2]:
        build.put(node, value.tensor, is_map=True)
    elif order[0] != 0:
        raise ValueError(f"expected the batch to stay first, found {order}")
    else:
        layer = keras.layers.Permute(order[1:])
        build.put(node, build.lay(layer, build.plain(node.inputs[0]), node.name), is_map=False)


def concat(build: Builder, node: Node) -> None:
    """Join values along one dimension."""
    values = [build.values[name] for name in node.inputs]
    is_map = any(value.is_map for value in values)
    axis = node.attributes["axis"] % len(values[0].tensor.shape)
    inputs = [build.map(name) if is_map else build.plain(name) for name in node.inputs]
    layer = keras.layers.Concatenate((0, 3, 1, 2)[axis] if is_map else axis)
    build.put(node, build.lay(layer, inputs, node.name), is_map)


def shape(build: Builder, node: Node) -> None:
    """Make the shape, or a part of it, a constant; the batch, which is free, is -1 in it."""
    part = slice(node.attributes.get("start", 0), node.attributes.get("end"))
    build.graph.constants[node.outputs[0]] = np.asarray([-1, *_sizes(build, node)[1:]][part])


def _sizes(build: Builder, node: Node) -> list[int]:
    """Dimensions as ONNX has them, the batch as 0."""
    value = build.values[node.inputs[0]]
    sizes = [int(n) for n in value.tensor.shape[1:]]
    return [0, sizes[2], *sizes[:2]] if value.is_map else [0, *sizes]


def _axes(build: Builder, node: Node) -> list[int]:
    axes = node.attributes.get("axes")
    return list(axes) if axes is not None else build.constant(node.input(1), "list of axes").ravel().tolist()


def _reshaped(build: Builder, node: Node, target: Sequence[int]) -> None:
    sizes = _sizes(build, node)
    target = [sizes[axis] if size == 0 else size for axis, size in enumerate(target, start=1)]
    if len(target) == 1:
        flatten(build, Node("Flatten", node.name, node.inputs, node.outputs, {}))
        return
    if len(target) == 3 and len(sizes) == 2 and target[1:] == [1, 1]:
        tensor = build.lay(keras.layers.Reshape((1, 1, target[0])), build.plain(node.inputs[0]), node.name)
        build.put(node, tensor, is_map=True)
        return
    tensor = build.lay(keras.layers.Reshape(target), build.plain(node.inputs[0]), node.name)
    build.put(node, tensor, is_map=False)
