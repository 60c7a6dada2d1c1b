"""TFLite networks by LiteRT, without TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["TfliteEmbedder"]

TYPES = ("float32", "uint8", "int8", "int16")


class TfliteEmbedder(GraphEmbedder):
    """A TFLite graph with one image input, at the batch size it was built for.

    Inputs and outputs may be float32 or integers: codes of ``(code - zero point) * scale``, as the file says.
    Where it says nothing of them, inputs are the numbers themselves, and outputs what the sidecar says.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

    packages = ("ai-edge-litert",)

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtraError("ai-edge-litert", "fr-eval[litert]", f"{model}") from None
        try:
            self._interpreter = Interpreter(str(model), num_threads=os.cpu_count())
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{model}: LiteRT cannot load it: {error}") from None
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or np.dtype(inputs[0]["dtype"]).name not in TYPES:
            found = ", ".join(f"{i['name']} {np.dtype(i['dtype']).name}" for i in inputs)
            raise InputError(f"{model}: expected one input of {', '.join(TYPES)}, got {found}")
        self._input = inputs[0]
        self._output = self._interpreter.get_output_details()[0]
        super().__init__(model, preprocessing, self._sized(inputs[0], preprocessing.size))

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        self._interpreter.set_tensor(self._input["index"], _encoded(inputs, self._input))
        self._interpreter.invoke()
        return _decoded(self._interpreter.get_tensor(self._output["index"]), self._output)

    def _sized(self, tensor: dict[str, Any], size: tuple[int, int]) -> list[int]:
        """Give an input of free height and width the size of the preprocessing; return the input's shape."""
        shape = [int(n) for n in tensor["shape"]]
        if len(shape) == 4 and list(tensor["shape_signature"][1:3]) == [-1, -1]:
            shape[1:3] = size
            self._interpreter.resize_tensor_input(tensor["index"], shape)
            self._interpreter.allocate_tensors()
        return shape


def _encoded(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(tensor["dtype"])
    if dtype == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    codes = np.rint(values / (scale or 1.0)) + zero_point
    limits = np.iinfo(dtype)
    return np.asarray(codes.clip(limits.min, limits.max), dtype)


def _decoded(codes: NDArray[Any], tensor: dict[str, Any]) -> NDArray[Any]:
    scale, zero_point = tensor["quantization"]
    if codes.dtype == np.float32 or not scale:
        return codes
    return (codes.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
