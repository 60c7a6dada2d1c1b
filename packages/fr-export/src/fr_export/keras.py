"""Keras files with their sidecar; a wrapped model's says what its layers leave to the caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray

from fr_export._files import checked_path
from fr_export._source import open_source
from fr_export.exported import Exported, comparison_images, exported

__all__ = ["to_keras"]


def to_keras(
    model: Any,
    path: str | Path,
    preprocessing: Preprocessing | None = None,
    images: NDArray[np.uint8] | None = None,
) -> Exported:
    """Write a model as ``MODEL.keras``, and its preprocessing as ``MODEL.json`` beside it.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``, such as `wrap` returns.
    path : str or Path
        Where to.
    preprocessing : Preprocessing, optional
        By default the sidecar's, or the wrapper's.
    images : ndarray of uint8, shape (N, H, W, 3), optional
        What both networks are compared on; by default a seeded pattern.

    Returns
    -------
    Exported
        What the loaded file gives, beside the model.

    Raises
    ------
    InputError
        Unknown preprocessing, images of another type or size, a sidecar there that another model needs,
        layers that Keras does not find when it loads them, other embeddings.
    OSError
        A full disk.

    Examples
    --------
    >>> to_keras(wrap("net.keras", uint8_input=True), "phone.keras").max_difference  # doctest: +SKIP
    0.0
    """
    path = checked_path(path, ".keras")
    source = open_source(model, preprocessing)
    images = comparison_images(images, source.preprocessing.size)
    return exported(path, "keras", source, images, source.model.save)
