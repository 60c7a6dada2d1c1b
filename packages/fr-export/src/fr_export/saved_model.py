"""SavedModels: folders that TensorFlow serves, loaded and run before they take their name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_eval.model_files import written_with_sidecar
from numpy.typing import NDArray

from fr_export._files import checked_folder, size_of
from fr_export._keras import tf_variables
from fr_export._quiet import quiet
from fr_export._source import Source, open_source
from fr_export.exported import Exported, comparison_images, measured

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

    Examples
    --------
    >>> to_saved_model("net.keras", "net").max_difference  # doctest: +SKIP
    0.0
    """
    path = checked_folder(path)
    source = open_source(model, preprocessing)
    images = comparison_images(images, source.preprocessing.size)
    with written_with_sidecar(path, source.preprocessing) as temporary:
        _save(source, temporary)
        serve = tf.saved_model.load(str(temporary)).signatures["serving_default"]
        received = np.asarray(serve(image=tf.constant(source.inputs(images)))["embedding"], np.float32)
        if source.quantise is not None:
            received = source.quantise.decode(received)
        return measured(path, "saved_model", size_of(temporary), source, images, received, exact=True)


def _save(source: Source, folder: Path) -> None:
    """Save what serving needs: `keras.Model.export` of Keras 3 writes every variable twice."""

    def embed(image: Any) -> Any:
        return {"embedding": source.model(image, training=False)}

    signature = tf.TensorSpec((None, *source.image_shape), source.input_type, name="image")
    served = tf.Module()
    served.kept = tf_variables(source.model)
    served.serve = tf.function(embed, input_signature=[signature])
    with quiet():
        tf.saved_model.save(served, str(folder), signatures=served.serve)
