"""Channels of like ranges, so that 8 bits serve all of them: the same network in float, a closer one in int8.

Activations have one scale a tensor, weights one a channel. Where a convolution's channel is multiplied by
``s``, and the next convolution's weights of that channel by ``1 / s``, ReLU and PReLU between them pass
``s`` on and the network stays what it is. ``s = sqrt(w / r)``, of a channel's range ``r`` in activations and
``w`` in the weights that read it, shares what is hard to quantise between both; ``w`` is 1 where those
weights have scales of their own.

References
----------
Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.
Xiao et al., "SmoothQuant", ICML 2023, equation 4 (here with alpha = 0.5).
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from fr_export._flatbuffer import is_constant, operator_code

Array = NDArray[np.float32]
OPERATOR = schema.BuiltinOperator
ACTIVATION = schema.ActivationFunctionType
# Whose output channels are the first axis of their weights, or the last.
OUTPUT_AXIS = {OPERATOR.CONV_2D: 0, OPERATOR.FULLY_CONNECTED: 0, OPERATOR.DEPTHWISE_CONV_2D: 3}
# What passes a positive factor of a channel on.
PASSING = (OPERATOR.PRELU, OPERATOR.RELU, OPERATOR.PAD, OPERATOR.MAX_POOL_2D, OPERATOR.AVERAGE_POOL_2D)
LEAST_RANGE = 1e-3  # of a channel, beside the largest: nearly dead ones are left alone


@dataclass(frozen=True)
class _Link:
    """Two convolutions, and the tensor of activations that the second one reads."""

    producer: Any
    consumer: Any
    tensor: int


def equalised(content: bytes, inputs: list[NDArray[Any]]) -> bytes:
    """Return a float32 TFLite file of the same numbers, but for rounding, that int8 fits better.

    Parameters
    ----------
    content : bytes
        A float32 file of one input.
    inputs : list of ndarray
        Representative inputs of the file's own shape.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = _Graph(model)
    links = graph.links()
    if not links:
        return content
    ranges = _ranges(content, inputs, [link.tensor for link in links])
    for link in links:
        factors = np.sqrt(graph.reading_ranges(link.consumer) / _not_dead(ranges[link.tensor]))
        factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
        graph.scale_output(link.producer, factors)
        graph.set_weights(link.consumer, graph.weights(link.consumer) / factors)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class _Graph:
    """A file's only subgraph: who reads what, and the weights as arrays."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = model.subgraphs[0]
        self.readers: dict[int, list[Any]] = {}
        for operator in self.graph.operators:
            for tensor in operator.inputs:
                self.readers.setdefault(int(tensor), []).append(operator)
        self.buffer_uses = Counter(tensor.buffer for tensor in self.graph.tensors)

    def code(self, operator: Any) -> int:
        return operator_code(self.model, operator)

    def links(self) -> list[_Link]:
        outputs = {int(tensor) for tensor in self.graph.outputs}
        found = []
        for producer in self.graph.operators:
            if not self._is_linear(producer) or not self._passes(producer):
                continue
            tensor = int(producer.outputs[0])
            while len(readers := self.readers.get(tensor, [])) == 1 and tensor not in outputs:
                reader = readers[0]
                if self.code(reader) in PASSING and self._passes(reader) and reader.inputs[0] == tensor:
                    tensor = int(reader.outputs[0])
                    continue
                if self._is_linear(reader) and self._channels_agree(producer, reader):
                    found.append(_Link(producer, reader, tensor))
                break
        return found

    def weights(self, operator: Any) -> Array:
        tensor = self.graph.tensors[operator.inputs[1]]
        flat = np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), np.float32)
        array = flat.reshape(tensor.shape)
        return array.reshape(array.shape[0], 1, 1, array.shape[1]) if array.ndim == 2 else array

    def reading_ranges(self, operator: Any) -> NDArray[np.float64]:
        """Return the range of weights that read each channel: 1 of depthwise ones, which have scales each."""
        weights = self.weights(operator)
        if self.code(operator) == OPERATOR.DEPTHWISE_CONV_2D:
            return np.ones(weights.shape[3])
        return _not_dead(np.abs(weights).max(axis=(0, 1, 2)))

    def set_weights(self, operator: Any, weights: Array) -> None:
        self._write(operator, 1, weights)

    def scale_output(self, operator: Any, factors: Array) -> None:
        shape = [1, 1, 1, 1]
        shape[OUTPUT_AXIS[self.code(operator)]] = len(factors)
        self.set_weights(operator, self.weights(operator) * factors.reshape(shape))
        if self._has_bias(operator):
            tensor = self.graph.tensors[operator.inputs[2]]
            bias = np.frombuffer(bytes(self.model.buffers[tensor.buffer].data), np.float32)
            self._write(operator, 2, bias * factors)

    def _write(self, operator: Any, place: int, values: Array) -> None:
        position = int(operator.inputs[place])
        if len(self.readers[position]) > 1 or self.buffer_uses[self.graph.tensors[position].buffer] > 1:
            position = self._own_copy(operator, place)
        buffer = self.model.buffers[self.graph.tensors[position].buffer]
        buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)

    def _own_copy(self, operator: Any, place: int) -> int:
        """Part an operator's constant from others that are equal: the converter writes those once."""
        old, new = int(operator.inputs[place]), len(self.graph.tensors)
        tensor = copy.copy(self.graph.tensors[old])
        self.buffer_uses[tensor.buffer] -= 1
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(schema.BufferT())
        self.graph.tensors.append(tensor)
        operator.inputs = np.array(operator.inputs, np.int32)
        operator.inputs[place] = new
        self.readers[old].remove(operator)
        self.readers[new] = [operator]
        self.buffer_uses[tensor.buffer] = 1
        return new

    def _is_linear(self, operator: Any) -> bool:
        """Whether it is linear, of constant weights, with an output a channel if depthwise."""
        code = self.code(operator)
        if code not in OUTPUT_AXIS:
            return False
        if code == OPERATOR.DEPTHWISE_CONV_2D and operator.builtinOptions.depthMultiplier != 1:
            return False
        constants = operator.inputs[1:] if self._has_bias(operator) else operator.inputs[1:2]
        return all(self._is_constant(int(tensor)) for tensor in constants)

    def _has_bias(self, operator: Any) -> bool:
        return len(operator.inputs) > 2 and operator.inputs[2] >= 0

    def _is_constant(self, position: int) -> bool:
        is_float = self.graph.tensors[position].type == schema.TensorType.FLOAT32
        return is_float and is_constant(self.model, position)

    def _passes(self, operator: Any) -> bool:
        activation = getattr(operator.builtinOptions, "fusedActivationFunction", ACTIVATION.NONE)
        return activation in (ACTIVATION.NONE, ACTIVATION.RELU)

    def _channels_agree(self, producer: Any, consumer: Any) -> bool:
        """Whether the consumer reads the producer's channels: all of them at once, no flattened maps."""
        return int(self.weights(consumer).shape[3]) == int(
            self.weights(producer).shape[OUTPUT_AXIS[self.code(producer)]]
        )


def _ranges(content: bytes, inputs: list[NDArray[Any]], tensors: list[int]) -> dict[int, Array]:
    """Return the largest absolute value of each channel of tensors, over the inputs."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, inputs[0].shape)
    interpreter.allocate_tensors()
    largest: dict[int, Array] = {}
    for values in inputs:
        interpreter.set_tensor(place, values)
        interpreter.invoke()
        for tensor in tensors:
            seen = interpreter.get_tensor(tensor)
            seen = np.abs(seen).max(axis=tuple(range(seen.ndim - 1)))
            largest[tensor] = np.maximum(largest.get(tensor, seen), seen)
    return largest


def _not_dead(ranges: Array) -> NDArray[np.float64]:
    """Return ranges of at least a share of the largest one; of ones where all are zero."""
    top = float(ranges.max())
    return np.maximum(ranges.astype(np.float64), top * LEAST_RANGE) if top > 0 else np.ones(len(ranges))
