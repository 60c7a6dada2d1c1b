"""ONNX files by tf2onnx, with a free batch, run by fr-eval's embedder before they take their name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing, load_embedder
from fr_eval.errors import InputError, MissingExtraError
from numpy.typing import NDArray

from fr_export._files import checked_path, finished, size_of
from fr_export._quiet import quiet
from fr_export._source import Source, open_source
from fr_export.exported import Exported, comparison_images, measured
from fr_export.wrappers import Quantise

__all__ = ["OPSETS", "to_onnx"]

OPSETS = range(11, 19)  # what tf2onnx 1.17 writes; older ones lack operations of our networks


def to_onnx(
    model: Any,
    path: str | Path,
    opset: int = 17,
    preprocessing: Preprocessing | None = None,
    images: NDArray[np.uint8] | None = None,
) -> Exported:
    """Write a model as ``MODEL.onnx``, and its preprocessing as ``MODEL.json`` beside it.

    Parameters
    ----------
    model : keras.Model or path
        From images ``[B, H, W, 3]`` to embeddings ``[B, D]``; a ``.keras`` file brings its sidecar.
    path : str or Path
        Where to.
    opset : int
        Version of ONNX's operations, from 11 to 18.
    preprocessing : Preprocessing, optional
        By default the sidecar's, or the wrapper's.
    images : ndarray of uint8, shape (N, H, W, 3), optional
        What both networks are compared on; by default a seeded pattern.

    Returns
    -------
    Exported
        What onnxruntime made of the file, beside the model.

    Raises
    ------
    InputError
        An opset out of range, unknown preprocessing, an operation that ONNX lacks, a file that gives other
        embeddings.
    ImportError
        tf2onnx or onnxruntime is not installed.

    Examples
    --------
    >>> to_onnx("net.keras", "net.onnx").max_difference  # doctest: +SKIP
    4.8e-07
    """
    path = checked_path(path, ".onnx")
    if opset not in OPSETS:
        raise InputError(f"opset: expected {OPSETS[0]} to {OPSETS[-1]}, got {opset}")
    source = open_source(model, preprocessing)
    last = source.model.layers[-1]
    if isinstance(last, Quantise) and last.codes == "uint8":
        raise InputError(
            f"{source.name}: gives uint8 codes, whose zero point ONNX files do not tell: use int8"
        )
    images = comparison_images(images, source.preprocessing.size)
    with finished(path, source.preprocessing) as temporary:
        _convert(source, temporary, opset)
        try:
            received = load_embedder(temporary, source.preprocessing)(images)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path}: was converted but does not run: {error}") from None
        return measured(path, "onnx", size_of(temporary), source.embed(images), received, exact=True)


def _convert(source: Source, temporary: Path, opset: int) -> None:
    try:
        with quiet():
            import tf2onnx.convert
    except ImportError:
        raise MissingExtraError("tf2onnx", "fr-export[onnx]", source.name) from None
    signature = [tf.TensorSpec((None, *source.image_shape), source.input_type, name="image")]

    def embed(image: Any) -> Any:
        return tf.identity(source.model(image, training=False), name="embedding")

    try:
        with quiet():
            tf2onnx.convert.from_function(
                tf.function(embed), signature, opset=opset, output_path=str(temporary)
            )
    except (ValueError, NotImplementedError, RuntimeError, KeyError) as error:
        raise InputError(f"{source.name}: tf2onnx cannot convert it: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
