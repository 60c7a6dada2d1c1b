"""An end in float of a network of integers: taken off the float32 file, put on again after quantisation.

The end is the tail, what follows the last layer of weights: the mirror images' sum and unit length; or the
whole head, what follows the last feature map: pooling and the embedding layer, too. What goes into it is
quantised, what becomes of that is not. Weights of the head are kept in 16 bits and computed with in 32, as in
float16 files: two bytes each in place of one.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from fr_eval.errors import ParameterError
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from fr_export._flatbuffer import OPERATOR, SUMS_OF_PRODUCTS, is_constant, operator_code

DEQUANTIZE_OF_FLOAT16 = 3  # the operator's version
LARGEST_OF_ONE_BYTE = 127  # what the older of both fields of an operator's code holds


def head_of(content: bytes) -> int:
    """Return the position of the first operator behind the last feature map.

    Parameters
    ----------
    content : bytes
        A float32 file of one input and one output.

    Raises
    ------
    ParameterError
        No embedding layer follows the last feature map.
    """
    model = _opened(content)
    graph = model.subgraphs[0]
    maps = [place for place, each in enumerate(graph.operators) if _is_map(graph.tensors[each.outputs[0]])]
    first = maps[-1] + 1 if maps else 0
    has_layer = any(operator_code(model, each) in SUMS_OF_PRODUCTS for each in graph.operators[first:])
    if not maps or not has_layer or not _reads_one(model, first):
        raise ParameterError("float_head", "expected an embedding layer behind the last feature map")
    return first


def tail_of(content: bytes) -> int:
    """Return the position of the first operator that has only one activation of layers of weights to read.

    In a network that ends with such a layer, that is the number of its operators.
    """
    model = _opened(content)
    operators = model.subgraphs[0].operators
    layers = [place for place, each in enumerate(operators) if operator_code(model, each) in SUMS_OF_PRODUCTS]
    first = layers[-1] + 1 if layers else len(operators)
    return next(place for place in range(first, len(operators) + 1) if _reads_one(model, place))


def without_end(content: bytes, first: int) -> bytes:
    """Return a float32 file without its operators from a position on: `head_of` or `tail_of`."""
    model = _opened(content)
    graph = model.subgraphs[0]
    if first == len(graph.operators):
        return content
    graph.operators = graph.operators[:first]
    _end_with(model, int(graph.operators[-1].outputs[0]))
    _drop_unused(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_end(body: bytes, content: bytes, first: int) -> bytes:
    """Return a quantised file with an end in float behind it.

    Parameters
    ----------
    body : bytes
        What `without_end` gave, quantised; its output is float32.
    content : bytes
        The float32 file that has the end.
    first : int
        The position of the end's first operator in it.
    """
    model, whole = _opened(body), _opened(content)
    operators = whole.subgraphs[0].operators
    if first == len(operators):
        return body
    last_of_body = int(operators[first - 1].outputs[0])
    joined = _Joined(model, whole, {last_of_body: int(model.subgraphs[0].outputs[0])})
    for operator in operators[first:]:
        joined.append(operator)
    _end_with(model, joined.place_of(int(whole.subgraphs[0].outputs[0])))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class _Joined:
    """A file that operators of another one are appended to.

    Parameters
    ----------
    model, source : ModelT
        The file, and the other one.
    places : dict
        Tensors of the source that the file has already, and where.
    """

    def __init__(self, model: Any, source: Any, places: dict[int, int]) -> None:
        self.model = model
        self.graph = model.subgraphs[0]
        self.source = source
        self.places = places

    def append(self, operator: Any) -> None:
        """Append an operator of the source, with the tensors that are not there yet."""
        code = operator_code(self.source, operator)
        version = self.source.operatorCodes[operator.opcodeIndex].version
        if code in SUMS_OF_PRODUCTS:
            self._keep_in_16_bits(int(operator.inputs[1]))
        appended = copy.copy(operator)
        appended.inputs, appended.outputs = (
            np.array([self.place_of(int(tensor)) for tensor in tensors], np.int32)
            for tensors in (operator.inputs, operator.outputs)
        )
        self._append_operator(appended, code, version)

    def place_of(self, tensor: int) -> int:
        """Return where a tensor of the source is in the file; -1, an input that is left out, stays."""
        if tensor >= 0 and tensor not in self.places:
            described = self.source.subgraphs[0].tensors[tensor]
            self.places[tensor] = self._append_tensor(described, self.source.buffers[described.buffer].data)
        return self.places.get(tensor, tensor)

    def _keep_in_16_bits(self, weights: int) -> None:
        """Append weights as float16, and the operator that makes float32 of them."""
        if weights in self.places or not is_constant(self.source, weights):
            return
        tensor = self.source.subgraphs[0].tensors[weights]
        data = bytes(self.source.buffers[tensor.buffer].data)
        kept = copy.copy(tensor)
        kept.type = schema.TensorType.FLOAT16
        halves = np.frombuffer(data, np.float32).astype(np.float16)
        dequantize = schema.OperatorT()
        dequantize.inputs = [self._append_tensor(kept, np.frombuffer(halves.tobytes(), np.uint8))]
        dequantize.outputs = [self._append_tensor(tensor, None)]
        self._append_operator(dequantize, OPERATOR.DEQUANTIZE, DEQUANTIZE_OF_FLOAT16)
        self.places[weights] = dequantize.outputs[0]

    def _append_tensor(self, tensor: Any, data: Any) -> int:
        buffer = schema.BufferT()
        buffer.data = data
        tensor = copy.copy(tensor)
        tensor.buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _append_operator(self, operator: Any, code: int, version: int) -> None:
        declared = schema.OperatorCodeT()
        declared.builtinCode, declared.deprecatedBuiltinCode = code, min(code, LARGEST_OF_ONE_BYTE)
        declared.version = version
        operator.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(declared)
        self.graph.operators.append(operator)


def _opened(content: bytes) -> Any:
    return flatbuffer_utils.convert_bytearray_to_object(bytearray(content))


def _reads_one(model: Any, first: int) -> bool:
    """Whether operators from a position on read, of all activations before, what the last operator gave."""
    operators = model.subgraphs[0].operators
    end = operators[first:]
    inner = {int(tensor) for operator in end for tensor in operator.outputs}
    read = {int(tensor) for operator in end for tensor in operator.inputs if tensor >= 0} - inner
    activations = {tensor for tensor in read if not is_constant(model, tensor)}
    return not end or activations == {int(operators[first - 1].outputs[0])}


def _is_map(tensor: Any) -> bool:
    """Whether it holds channels of more places than one; a free size is written as 1, and signed -1."""
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return shape is not None and len(shape) > 2 and any(size != 1 for size in shape[1:-1])


def _end_with(model: Any, output: int) -> None:
    model.subgraphs[0].outputs = np.array([output], np.int32)
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = output


def _drop_unused(model: Any) -> None:
    """Drop codes of operators, which calibration refuses if unused, and tensors, which int16x8 files keep."""
    graph = model.subgraphs[0]
    codes = sorted({operator.opcodeIndex for operator in graph.operators})
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    for operator in graph.operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)
    nodes = (graph, *graph.operators)
    used = {int(tensor) for node in nodes for tensor in (*node.inputs, *node.outputs)} - {-1}
    place_of = {tensor: place for place, tensor in enumerate(sorted(used))} | {-1: -1}
    graph.tensors = [graph.tensors[tensor] for tensor in sorted(used)]
    for node in nodes:
        node.inputs, node.outputs = (
            np.array([place_of[int(tensor)] for tensor in tensors], np.int32)
            for tensors in (node.inputs, node.outputs)
        )
    for signature in model.signatureDefs or ():
        for named in (*signature.inputs, *signature.outputs):
            named.tensorIndex = place_of[int(named.tensorIndex)]
    kept = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in model.metadata or ()}
    for place, buffer in enumerate(model.buffers):
        if place not in kept:
            buffer.data = None
