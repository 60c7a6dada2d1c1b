"""Embedders: anything that maps uint8 RGB images ``[B, H, W, 3]`` to embeddings ``[B, D]``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._preprocessing import Codes, Preprocessing, next_sidecar, sidecar_of
from fr_eval.errors import InputError

__all__ = [
    "Codes",
    "Embedder",
    "Preprocessing",
    "checked_model",
    "is_saved_model",
    "load_embedder",
    "next_sidecar",
    "sidecar_of",
]

Embedder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load_embedder(model: Path, preprocessing: Preprocessing | None = None) -> Embedder:
    """Load a network as an embedder.

    Parameters
    ----------
    model : Path
        ``.onnx`` (needs the extra ``onnx``), ``.tflite`` (``litert``), ``.keras`` or the folder of a
        SavedModel (both ``keras``).
    preprocessing : Preprocessing, optional
        By default what the sidecar file beside the model says: ``MODEL.json`` for ``MODEL.onnx``, and for
        the folder ``MODEL``.

    Raises
    ------
    InputError
        No such file, another suffix, neither preprocessing nor sidecar, a model whose input does not fit.
    MissingExtraError
        The runtime is not installed.
    """
    model = checked_model(model)
    preprocessing = preprocessing or Preprocessing.beside(model)
    if is_saved_model(model):
        from fr_eval.embedders.saved_model import SavedModelEmbedder

        return SavedModelEmbedder(model, preprocessing)
    if model.suffix == ".onnx":
        from fr_eval.embedders.onnx import OnnxEmbedder

        return OnnxEmbedder(model, preprocessing)
    if model.suffix == ".tflite":
        from fr_eval.embedders.tflite import TfliteEmbedder

        return TfliteEmbedder(model, preprocessing)
    from fr_eval.embedders.keras import KerasEmbedder

    return KerasEmbedder(model, preprocessing)


def checked_model(model: str | Path) -> Path:
    """Refuse what no embedder is made of: no file of a known suffix, and no SavedModel's folder."""
    model = Path(model)
    if is_saved_model(model):
        return model
    if not model.is_file():
        raise InputError(f"{model}: " + ("is no SavedModel" if model.is_dir() else "no such file"))
    if model.suffix not in (".onnx", ".tflite", ".keras"):
        raise InputError(f"{model}: expected a .onnx, .tflite or .keras file, or the folder of a SavedModel")
    return model


def is_saved_model(path: Path) -> bool:
    """Say whether a path is the folder of a SavedModel."""
    return (path / "saved_model.pb").is_file()
