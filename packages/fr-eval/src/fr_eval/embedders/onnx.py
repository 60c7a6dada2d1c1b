"""ONNX networks by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.embedders._shapes import as_embeddings, is_channels_first, run_in_batches
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["OnnxEmbedder"]


class OnnxEmbedder:
    """An ONNX graph with one image input, channels first or last, any or a fixed batch size.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx", f"{model}") from None
        self.model = model
        self.preprocessing = preprocessing
        try:
            self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no public base class
            raise InputError(f"{model}: onnxruntime cannot load it: {error}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            found = ", ".join(f"{i.name} {i.type}" for i in inputs)
            raise InputError(f"{model}: expected one float input, got {found}")
        shape = [n if isinstance(n, int) else None for n in inputs[0].shape]
        self._input = inputs[0].name
        self._channels_first = is_channels_first(model, shape, preprocessing.size)
        self._batch = shape[0]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings ``[B, D]`` of uint8 RGB images ``[B, H, W, 3]``."""
        inputs = self.preprocessing.apply(images)
        if self._channels_first:
            inputs = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
        return as_embeddings(self.model, run_in_batches(self._run, inputs, self._batch))

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: inputs})[0])
