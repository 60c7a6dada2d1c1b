"""Keras networks, where TensorFlow is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.embedders._shapes import as_embeddings, is_channels_first
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["KerasEmbedder"]


class KerasEmbedder:
    """A ``.keras`` model with one image input, channels last, loaded in safe mode.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    """

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        try:
            from tensorflow import keras
        except ImportError:
            raise MissingExtraError("tensorflow", "keras", f"{model}") from None
        self.model = model
        self.preprocessing = preprocessing
        try:
            self._network = keras.models.load_model(model, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError) as error:
            raise InputError(f"{model}: Keras cannot load it: {error}") from None
        self._channels_first = is_channels_first(model, list(self._network.input_shape), preprocessing.size)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings ``[B, D]`` of uint8 RGB images ``[B, H, W, 3]``."""
        inputs = self.preprocessing.apply(images)
        if self._channels_first:
            inputs = inputs.transpose(0, 3, 1, 2)
        return as_embeddings(self.model, np.asarray(self._network(inputs, training=False)))
