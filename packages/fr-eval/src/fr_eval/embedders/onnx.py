"""ONNX networks by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder, typed
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["OnnxEmbedder"]

TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


class OnnxEmbedder(GraphEmbedder):
    """An ONNX graph with one image input of float, or of uint8 pixels, on the CPU.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

    packages = ("onnxruntime",)

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", "fr-eval[onnx]", f"{model}") from None
        try:
            self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no public base class
            raise InputError(f"{model}: onnxruntime cannot load it: {error}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            found = ", ".join(f"{i.name} {i.type}" for i in inputs)
            raise InputError(f"{model}: expected one input of float or uint8, got {found}")
        self._input = inputs[0].name
        self._type = TYPES[inputs[0].type]
        shape = [n if isinstance(n, int) else None for n in inputs[0].shape]
        super().__init__(model, preprocessing, shape)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self._session.run(None, {self._input: typed(inputs, self._type)})[0])
