"""Keras networks, where TensorFlow is installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder, typed
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["KerasEmbedder", "load_keras"]

# Installed packages name here the modules with the layers of their models, which Keras finds once imported.
LAYERS = "fr_eval.keras_layers"


class KerasEmbedder(GraphEmbedder):
    """A ``.keras`` model with one image input, loaded in safe mode.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        self._network = load_keras(model)
        dtype = self._network.inputs[0].dtype
        self._type = str(getattr(dtype, "name", dtype))
        super().__init__(model, preprocessing, self._network.input_shape)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self._network(typed(inputs, self._type), training=False))


def load_keras(model: Path) -> Any:
    """Load a ``.keras`` model in safe mode, with the layers of all installed packages.

    Raises
    ------
    InputError
        A file that Keras cannot load.
    MissingExtraError
        TensorFlow is not installed.
    """
    try:
        from tensorflow import keras
    except ImportError:
        raise MissingExtraError("tensorflow", "fr-eval[keras]", f"{model}") from None
    for layers in entry_points(group=LAYERS):
        layers.load()
    try:
        return keras.models.load_model(model, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{model}: Keras cannot load it: {error}") from None
