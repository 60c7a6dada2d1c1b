"""Fresh networks whose activations are of a like range, as those of trained ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray
from tensorflow import keras


def settle(model: Any, preprocessing: Preprocessing, images: NDArray[np.uint8]) -> None:
    """Give batch normalisation the statistics of images, as training does.

    In a fresh mobile network each block makes activations smaller, down to embeddings of 1e-14, which 8 bits
    cannot hold and floats compute slowly.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(preprocessing.apply(images), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
