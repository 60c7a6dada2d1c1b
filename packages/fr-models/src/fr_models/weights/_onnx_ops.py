"""The operations of ONNX that face networks use, each as layers of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tensorflow import keras

from fr_models.weights._onnx_build import Builder
from fr_models.weights._onnx_graph import Node
from fr_models.weights._onnx_shapes import concat, flatten, reshape, shape, squeeze, transpose, unsqueeze
from fr_models.weights._onnx_windows import average_pool, conv, max_pool, pad
from fr_models.weights._records import Array

OVER_ONE_AXIS = 13  # the opset from which on Softmax is; before, over all axes from the one that is named


def _keep(build: Builder, node: Node) -> None:
    """Pass on what inference does not change."""
    build.values[node.outputs[0]] = build.values[node.inputs[0]]


def _by_layer(make: Callable[[Node], Any]) -> Callable[[Builder, Node], None]:
    """Apply one layer, number by number."""

    def lay(build: Builder, node: Node) -> None:
        value = build.values[node.inputs[0]]
        build.put(node, build.lay(make(node), value.tensor, node.name), value.is_map)

    return lay


def _dense(build: Builder, node: Node, kernel: Array, bias: Array | None) -> None:
    """Apply a kernel ``[I, O]``, its rows reordered where the input is flattened in another order."""
    value = build.values[node.inputs[0]]
    if value.places is not None:
        height, width, channels = value.places
        planes = kernel.reshape(channels, height, width, -1)
        kernel = planes.transpose(1, 2, 0, 3).reshape(kernel.shape)
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    weights = [kernel] if bias is None else [kernel, np.broadcast_to(bias.ravel(), kernel.shape[1:])]
    build.put(node, build.lay(layer, build.plain(node.inputs[0]), node.name, weights), is_map=False)


def _gemm(build: Builder, node: Node) -> None:
    kernel = build.constant(node.inputs[1], "matrix")
    kernel = kernel.T if node.attributes.get("transB", 0) else kernel
    if node.attributes.get("transA", 0):
        raise ValueError("expected transA 0, found 1")
    bias = build.constant(node.input(2), "bias") * node.attributes.get("beta", 1.0) if node.input(2) else None
    _dense(build, node, kernel * node.attributes.get("alpha", 1.0), bias)


def _matmul(build: Builder, node: Node) -> None:
    _dense(build, node, build.constant(node.inputs[1], "matrix"), None)


def _batch_norm(build: Builder, node: Node) -> None:
    weights = [build.constant(name, "tensor") for name in node.inputs[1:5]]
    if np.any(weights[3] < 0):
        raise ValueError(f"expected variances of 0 or more, found {weights[3].min():g}")
    layer = keras.layers.BatchNormalization(
        epsilon=node.attributes.get("epsilon", 1e-5), momentum=node.attributes.get("momentum", 0.9)
    )
    value = build.values[node.inputs[0]]
    if len(value.tensor.shape) == 4:
        build.put(node, build.lay(layer, build.map(node.inputs[0]), node.name, weights), is_map=True)
    else:
        build.put(node, build.lay(layer, value.tensor, node.name, weights), is_map=False)


def _prelu(build: Builder, node: Node) -> None:
    slopes = build.constant(node.inputs[1], "slope").ravel()
    is_map = len(build.values[node.inputs[0]].tensor.shape) == 4
    x = build.map(node.inputs[0]) if is_map else build.plain(node.inputs[0])
    slopes = np.broadcast_to(slopes, (int(x.shape[-1]),))
    layer = keras.layers.PReLU(shared_axes=[1, 2] if is_map else None)
    weights = slopes.reshape(1, 1, -1) if is_map else slopes
    build.put(node, build.lay(layer, x, node.name, [weights]), is_map)


def _clip(build: Builder, node: Node) -> None:
    low, high = node.attributes.get("min"), node.attributes.get("max")
    low = float(build.constant(node.input(1), "limit")) if node.input(1) else low
    high = float(build.constant(node.input(2), "limit")) if node.input(2) else high
    if low != 0:
        raise ValueError(f"expected the lower limit 0, found {low}")
    _by_layer(lambda _: keras.layers.ReLU(max_value=high))(build, node)


def _hard_sigmoid(build: Builder, node: Node) -> None:
    slope, offset = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    value = build.values[node.inputs[0]]
    build.put(node, _gate(build, node, slope, offset), value.is_map)


def _hard_swish(build: Builder, node: Node) -> None:
    value = build.values[node.inputs[0]]
    gate = _gate(build, node, 1 / 6, 0.5)
    build.put(node, build.lay(keras.layers.Multiply(), [value.tensor, gate], node.name), value.is_map)


def _gate(build: Builder, node: Node, slope: float, offset: float) -> Any:
    x = build.values[node.inputs[0]].tensor
    line = build.lay(keras.layers.Rescaling(slope, offset), x, f"{node.name}_line")
    return build.lay(keras.layers.ReLU(max_value=1.0), line, f"{node.name}_gate")


def _softmax(build: Builder, node: Node) -> None:
    value = build.values[node.inputs[0]]
    rank = len(value.tensor.shape)
    is_old = build.graph.opset < OVER_ONE_AXIS
    axis = node.attributes.get("axis", 1 if is_old else -1) % rank
    if axis != (1 if value.is_map else rank - 1):
        raise ValueError(f"expected the axis of channels, found {axis}")
    if is_old and value.is_map and tuple(value.tensor.shape[1:3]) != (1, 1):
        raise ValueError(
            f"expected one over channels alone, found one over places, too, of opset {build.graph.opset}"
        )
    build.put(node, build.lay(keras.layers.Softmax(), value.tensor, node.name), value.is_map)


def _global_mean(build: Builder, node: Node) -> None:
    layer = keras.layers.GlobalAveragePooling2D(keepdims=True)
    build.put(node, build.lay(layer, build.map(node.inputs[0]), node.name), is_map=True)


def _reduce_mean(build: Builder, node: Node) -> None:
    axes = node.attributes.get("axes") or build.constant(node.input(1), "list of axes").ravel().tolist()
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise ValueError(f"expected a mean over places, axes 2 and 3, found {axes}")
    keep = bool(node.attributes.get("keepdims", 1))
    layer = keras.layers.GlobalAveragePooling2D(keepdims=keep)
    build.put(node, build.lay(layer, build.map(node.inputs[0]), node.name), is_map=keep)


def _arithmetic(join: Any, with_stored: Callable[[Array, bool], tuple[Array, Array]]) -> Any:
    """Return a join of two values, or a line ``scale x + offset`` by a stored number, or one a channel."""

    def lay(build: Builder, node: Node) -> None:
        stored = [build.is_stored(name) for name in node.inputs]
        if any(stored):
            first_is_stored = stored[0]
            value = build.values[node.inputs[1 if first_is_stored else 0]]
            number = build.constant(node.inputs[0 if first_is_stored else 1], "number")
            number = _a_channel(number, value.tensor.shape, value.is_map)
            scale, offset = with_stored(number, first_is_stored)
            layer = keras.layers.Rescaling(scale.tolist(), offset.tolist())
            build.put(node, build.lay(layer, value.tensor, node.name), value.is_map, value.places)
            return
        if join is None:
            raise ValueError("expected a stored number, found two computed ones")
        first, second = (build.values[name] for name in node.inputs)
        is_map = first.is_map or second.is_map
        inputs = [build.map(name) if is_map else build.plain(name) for name in node.inputs]
        build.put(node, build.lay(join(), inputs, node.name), is_map)

    return lay


def _a_channel(number: Array, shape: Any, is_map: bool) -> Array:
    number = number.astype(np.float32)
    if not np.all(np.isfinite(number)):
        raise ValueError("expected finite numbers, found NaN or infinity")
    if number.size == 1:
        return number.reshape(())
    channels = int(shape[-1])
    wanted = (channels, 1, 1) if is_map else (channels,)
    if number.size != channels or tuple(number.shape[-len(wanted) :]) != wanted:
        raise ValueError(f"expected one number or one a channel of {channels}, found {list(number.shape)}")
    return number.ravel()


def _subtracted(number: Array, is_first: bool) -> tuple[Array, Array]:
    one = np.ones_like(number)
    return (-one, number) if is_first else (one, -number)


def _divided(number: Array, is_first: bool) -> tuple[Array, Array]:
    if is_first:
        raise ValueError("expected a division by a stored number, found one of it")
    return 1 / number, np.zeros_like(number)


OPERATIONS: dict[str, Callable[[Builder, Node], None]] = {
    "Add": _arithmetic(keras.layers.Add, lambda number, _: (np.ones_like(number), number)),
    "AveragePool": average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _keep,
    "Clip": _clip,
    "Concat": concat,
    "Conv": conv,
    "Div": _arithmetic(None, _divided),
    "Dropout": _keep,
    "Flatten": flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_mean,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": _keep,
    "LeakyRelu": _by_layer(lambda node: keras.layers.ReLU(negative_slope=node.attributes.get("alpha", 0.01))),
    "MatMul": _matmul,
    "MaxPool": max_pool,
    "Mul": _arithmetic(keras.layers.Multiply, lambda number, _: (number, np.zeros_like(number))),
    "PRelu": _prelu,
    "Pad": pad,
    "ReduceMean": _reduce_mean,
    "Relu": _by_layer(lambda _: keras.layers.ReLU()),
    "Reshape": reshape,
    "Shape": shape,
    "Sigmoid": _by_layer(lambda _: keras.layers.Activation("sigmoid")),
    "Softmax": _softmax,
    "Squeeze": squeeze,
    "Sub": _arithmetic(keras.layers.Subtract, _subtracted),
    "Tanh": _by_layer(lambda _: keras.layers.Activation("tanh")),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
