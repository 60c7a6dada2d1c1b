"""TFLite networks by LiteRT, without TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["TfliteEmbedder"]


class TfliteEmbedder(GraphEmbedder):
    """A TFLite graph with one float image input, at the batch size it was built for.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

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
        if len(inputs) != 1 or inputs[0]["dtype"] != np.float32:
            found = ", ".join(f"{i['name']} {np.dtype(i['dtype']).name}" for i in inputs)
            raise InputError(f"{model}: expected one float32 input, got {found}")
        self._input = inputs[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        super().__init__(model, preprocessing, [int(n) for n in inputs[0]["shape"]])

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input, inputs)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output))
