"""What the converter leaves undone in a TFLite file, done in the file itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

Scale = tuple[float, int]
INT32_MAX = np.iinfo(np.int32).max
INTEGERS = (schema.TensorType.INT8, schema.TensorType.UINT8)


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
    for places, scale in ((graph.inputs, input_scale), (graph.outputs, output_scale)):
        if scale is not None:
            _tell_scale(graph.tensors[places[0]], scale)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


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


def _tell_scale(tensor: Any, scale: Scale) -> None:
    if tensor.type not in INTEGERS or (
        tensor.quantization is not None and tensor.quantization.scale is not None
    ):
        return
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [scale[0]]
    tensor.quantization.zeroPoint = [scale[1]]
