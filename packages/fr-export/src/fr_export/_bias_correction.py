"""Biases of an int8 network, moved so that no channel is off on average.

Rounding a layer's weights and inputs moves the mean of each of its channels, and the layers behind it take
that for what the image shows. Layer by layer, in the order in which they run, the mean difference between the
channels of the float network and the int8 one, over representative inputs, is added to the int8 layer's bias.
Nothing else changes, neither size nor time. Layers whose activation is fused into them are left alone: what
they give is no longer linear in their bias, and the next layer makes up for them.

References
----------
Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section
4.2 and appendix D.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from fr_export._flatbuffer import SUMS_OF_PRODUCTS, kind_of

INT32 = np.iinfo(np.int32)


def bias_corrected(content: bytes, float_content: bytes, inputs: list[NDArray[np.float32]]) -> bytes:
    """Return an int8 TFLite file whose channels have the means of the float file's.

    Parameters
    ----------
    content : bytes
        The int8 file, of one input.
    float_content : bytes
        The float32 file that it was made of.
    inputs : list of ndarray
        Representative inputs of the float file.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    original = flatbuffer_utils.convert_bytearray_to_object(bytearray(float_content))
    tensor_of = {tensor.name: place for place, tensor in enumerate(original.subgraphs[0].tensors)}
    graph = model.subgraphs[0]
    layers = [
        (position, tensor_of[graph.tensors[operator.outputs[0]].name])
        for position, operator in enumerate(graph.operators)
        if graph.tensors[operator.outputs[0]].name in tensor_of and _has_own_linear_bias(model, operator)
    ]
    wanted = _channel_means(float_content, inputs, [place for _, place in layers])
    for (position, _), means in zip(layers, wanted, strict=True):
        (found,) = _channel_means(*_up_to(model, position), inputs)
        _add_to_bias(model, graph.operators[position], means - found)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _has_own_linear_bias(model: Any, operator: Any) -> bool:
    """Whether it is a linear layer in 8 bits, with a constant bias that no other operator reads."""
    graph = model.subgraphs[0]
    if kind_of(model, operator) not in SUMS_OF_PRODUCTS or len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return False
    bias = graph.tensors[operator.inputs[2]]
    uses = Counter(int(place) for each in graph.operators for place in each.inputs)
    return (
        graph.tensors[operator.outputs[0]].type == schema.TensorType.INT8
        and bias.type == schema.TensorType.INT32
        and model.buffers[bias.buffer].data is not None
        and uses[int(operator.inputs[2])] == 1
        and operator.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.NONE
    )


def _up_to(model: Any, position: int) -> tuple[bytes, list[int]]:
    """Return a file that ends with an operator, and the tensor that this one gives."""
    part, graph = copy.copy(model), copy.copy(model.subgraphs[0])
    graph.operators = graph.operators[: position + 1]
    graph.outputs = np.array(graph.operators[-1].outputs[:1], np.int32)
    part.subgraphs, part.signatureDefs = [graph], None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(part)), [int(graph.outputs[0])]


def _channel_means(
    content: bytes, inputs: list[NDArray[np.float32]], tensors: list[int]
) -> list[NDArray[np.float64]]:
    """Return the mean of each channel of tensors, over the inputs."""
    interpreter = Interpreter(
        model_content=content,
        num_threads=os.cpu_count(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    sums: list[Any] = [0.0] * len(tensors)
    for values in inputs:
        interpreter.set_tensor(image["index"], _encoded(values, image))
        interpreter.invoke()
        for position, tensor in enumerate(tensors):
            seen = interpreter.get_tensor(tensor)
            sums[position] += seen.mean(axis=tuple(range(seen.ndim - 1)), dtype=np.float64)
    scales = {each["index"]: each["quantization"] for each in interpreter.get_tensor_details()}
    means = []
    for tensor, total in zip(tensors, sums, strict=True):
        scale, zero_point = scales[tensor]
        means.append((total / len(inputs) - zero_point) * (scale or 1.0))
    return means


def _encoded(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(tensor["dtype"])
    if dtype == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    return (np.rint(values / scale) + zero_point).clip(limits.min, limits.max).astype(dtype)


def _add_to_bias(model: Any, operator: Any, difference: NDArray[np.float64]) -> None:
    """Add to a bias, in a buffer of its own: the converter writes equal ones once."""
    bias = model.subgraphs[0].tensors[operator.inputs[2]]
    codes = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32).astype(np.float64)
    codes = np.rint(codes + difference / np.asarray(bias.quantization.scale, np.float64))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(codes.clip(INT32.min, INT32.max).astype(np.int32).tobytes(), np.uint8)
    bias.buffer = len(model.buffers)
    model.buffers.append(buffer)
