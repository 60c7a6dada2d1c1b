"""What the converter leaves undone in a TFLite file, done in the file itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

Scale = tuple[float, int]
INT32_MAX = np.iinfo(np.int32).max
INTEGERS = (schema.TensorType.INT8, schema.TensorType.UINT8)
OPERATOR = schema.BuiltinOperator
# Whose products, summed, are steps of the output's codes: input scale x weight scale / output scale each.
SUMS_OF_PRODUCTS = (OPERATOR.CONV_2D, OPERATOR.DEPTHWISE_CONV_2D, OPERATOR.FULLY_CONNECTED)
LARGEST_STEP = 255.5  # codes; XNNPACK takes less than 256, and 255 reach from one end of 8 bits to the other


def mended(content: bytes, input_scale: Scale | None, output_scale: Scale | None) -> bytes:
    """Return a file that runs and tells the scales of its codes.

    Parameters
    ----------
    content : bytes
        Of the converter.
    input_scale, output_scale : (scale, zero point) or None
        Of integers that go in and out and that the file tells no scale of.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    _drop_caps_out_of_reach(graph)
    _shorten_steps_over_all_codes(model)
    for places, scale in ((graph.inputs, input_scale), (graph.outputs, output_scale)):
        if scale is not None:
            _tell_scale(graph.tensors[places[0]], scale)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operator_code(model: Any, operator: Any) -> int:
    """Return an operator's `schema.BuiltinOperator`, wherever the file's age keeps it."""
    code = model.operatorCodes[operator.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def is_constant(model: Any, tensor: int) -> bool:
    """Say whether a tensor's numbers are in the file."""
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _drop_caps_out_of_reach(graph: Any) -> None:
    """Make ReLU6 a ReLU where the codes of a tensor end so far below 6 that LiteRT refuses to quantise it.

    A code of 16 bits stands for ``scale`` or less than 2^15 times that, so that the cap does nothing; LiteRT
    computes ``6 / scale`` as int32 all the same, and refuses the operation where that overflows. It happens
    to channels that are nearly dead, and to networks that were not trained.
    """
    for operator in graph.operators:
        options = operator.builtinOptions
        activation = getattr(options, "fusedActivationFunction", None)
        if activation != schema.ActivationFunctionType.RELU6:
            continue
        quantization = graph.tensors[operator.outputs[0]].quantization
        scales = quantization.scale if quantization is not None else None
        if scales is not None and len(scales) == 1 and 6.0 / float(scales[0]) > INT32_MAX:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU


def _shorten_steps_over_all_codes(model: Any) -> None:
    """Lower weight scales where one step of a sum passes all 256 codes of the output: XNNPACK refuses these.

    Such a sum of -1 gives the lowest code and of 1 the highest, whatever the scale says beyond 255 codes, so
    that not one code changes. It happens where large activations meet a small range, as that of ReLU6 in the
    gates of a GhostNet that was not trained.
    """
    graph = model.subgraphs[0]
    uses = Counter(
        int(tensor) for operator in graph.operators for tensor in (*operator.inputs, *operator.outputs)
    )
    for operator in graph.operators:
        output = graph.tensors[operator.outputs[0]]
        if operator_code(model, operator) not in SUMS_OF_PRODUCTS or output.type != schema.TensorType.INT8:
            continue
        own = [int(place) for place in operator.inputs[1:] if place >= 0]  # weights and, mostly, a bias
        if any(uses[place] > 1 for place in own):
            continue
        image, weights = (graph.tensors[place].quantization for place in operator.inputs[:2])
        steps = image.scale[0] * np.asarray(weights.scale, np.float64) / output.quantization.scale[0]
        for place in own if steps.max() > LARGEST_STEP else ():
            scales = graph.tensors[place].quantization
            scales.scale = (scales.scale * np.minimum(1.0, LARGEST_STEP / steps)).astype(np.float32)


def _tell_scale(tensor: Any, scale: Scale) -> None:
    if tensor.type not in INTEGERS or (
        tensor.quantization is not None and tensor.quantization.scale is not None
    ):
        return
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [scale[0]]
    tensor.quantization.zeroPoint = [scale[1]]
