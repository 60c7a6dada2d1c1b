"""SavedModels: folders that TensorFlow serves, loaded and run before they take their name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray

from fr_export._files import checked_folder
from fr_export._saving import save
from fr_export._source import open_source
from fr_export.exported import Exported, comparison_images, exported

__all__ = ["to_saved_model"]


def to_saved_model(
    model: Any,
    path: str | Path,
    preprocessing: Preprocessing | None = None,
    images: NDArray[np.uint8] | None = None,
) -> Exported:
    """Write a model as a folder that serves ``image`` to ``embedding``, and ``FOLDER.json`` beside it.

    The signature is ``serving_default``, of any batch.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``; a ``.keras`` file brings its sidecar.
    path : str or Path
        The folder; an older SavedModel there is replaced, any other folder is not.
    preprocessing : Preprocessing, optional
        By default the sidecar's, or the wrapper's.
    images : ndarray of uint8, shape (N, H, W, 3), optional
        What both networks are compared on; by default a seeded pattern.

    Returns
    -------
    Exported
        What the loaded folder gives, beside the model.

    Raises
    ------
    InputError
        A folder of other things, unknown preprocessing, images of another type or size, a sidecar there that
        another model needs, other embeddings.
    OSError
        A full disk.

    Examples
    --------
    >>> to_saved_model("net.keras", "net").max_difference  # doctest: +SKIP
    0.0
    """
    path = checked_folder(path)
    source = open_source(model, preprocessing)
    images = comparison_images(images, source.preprocessing.size)
    return exported(path, "saved_model", source, images, partial(save, source))
