"""SavedModels: folders that TensorFlow serves, where TensorFlow is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder, typed
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["SavedModelEmbedder"]

SIGNATURE = "serving_default"
TYPES = ("float32", "uint8")


class SavedModelEmbedder(GraphEmbedder):
    """A SavedModel whose ``serving_default`` takes images, floats or uint8 pixels, and gives embeddings.

    Parameters
    ----------
    model : Path
        The folder.
    preprocessing : Preprocessing
    """

    packages = ("tensorflow",)

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        try:
            import tensorflow as tf
        except ImportError:
            raise MissingExtraError("tensorflow", "fr-eval[keras]", f"{model}") from None
        try:
            self._loaded = tf.saved_model.load(str(model))  # kept: a signature keeps no variables
        except (ValueError, OSError, tf.errors.OpError) as error:
            raise InputError(f"{model}: TensorFlow cannot load it: {error}") from None
        if SIGNATURE not in self._loaded.signatures:
            found = ", ".join(self._loaded.signatures) or "none"
            raise InputError(f"{model}: expected the signature {SIGNATURE}, got {found}")
        self._serve = self._loaded.signatures[SIGNATURE]
        inputs = self._serve.structured_input_signature[1]
        outputs = list(self._serve.structured_outputs)
        types = [spec.dtype.name for spec in inputs.values()]
        if len(inputs) != 1 or types[0] not in TYPES or len(outputs) != 1:
            given = ", ".join(f"{name} {dtype}" for name, dtype in zip(inputs, types, strict=True))
            raise InputError(
                f"{model}: expected one input of {' or '.join(TYPES)} and one output, got {given} "
                f"to {', '.join(outputs)}"
            )
        ((self._input, spec),) = inputs.items()
        self._output = outputs[0]
        self._type = types[0]
        shape = [None] if spec.shape.rank is None else spec.shape.as_list()
        super().__init__(model, preprocessing, shape)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        import tensorflow as tf

        outputs = self._serve(**{self._input: tf.constant(typed(inputs, self._type))})
        return np.asarray(outputs[self._output])
