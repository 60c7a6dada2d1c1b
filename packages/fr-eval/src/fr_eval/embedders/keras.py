"""Keras networks, where TensorFlow is installed."""

from __future__ import annotations

import json
from importlib.metadata import entry_points, version
from pathlib import Path
from textwrap import shorten
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._graph import GraphEmbedder, typed
from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError, MissingExtraError

__all__ = ["KerasEmbedder", "load_keras", "saved_by"]

# Installed packages name here the modules with the layers of their models, which Keras finds once imported.
LAYERS = "fr_eval.keras_layers"
HDF5 = b"\x89HDF"
REASON_CHARACTERS = 300  # of Keras's messages, which end with the whole configuration


class KerasEmbedder(GraphEmbedder):
    """A ``.keras`` model with one image input, loaded in safe mode.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing

    Attributes
    ----------
    network : keras.Model
    """

    packages = ("keras", "tensorflow")

    def __init__(self, model: Path, preprocessing: Preprocessing) -> None:
        self.network = load_keras(model)
        dtype = self.network.inputs[0].dtype
        self._type = str(getattr(dtype, "name", dtype))
        super().__init__(model, preprocessing, self.network.input_shape)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self.network(typed(inputs, self._type), training=False))


def load_keras(model: Path) -> Any:
    """Load a ``.keras`` model in safe mode, with the layers of all installed packages.

    Raises
    ------
    InputError
        A file that Keras cannot load.
    MissingExtraError
        TensorFlow is not installed.
    """
    theirs = saved_by(model)
    try:
        from tensorflow import keras
    except ImportError:
        raise MissingExtraError("tensorflow", "fr-eval[keras]", f"{model}") from None
    for layers in entry_points(group=LAYERS):
        layers.load()
    ours = version("keras")
    try:
        return keras.models.load_model(model, compile=False, safe_mode=True)
    except Exception as error:  # Keras lets out whatever its layers make of settings that they do not know
        if theirs is not None and theirs.split(".")[0] != ours.split(".")[0]:
            raise InputError(
                f"{model}: Keras cannot load it: it was saved by Keras {theirs}, this is Keras {ours}"
            ) from None
        reason = shorten(str(error), REASON_CHARACTERS, placeholder=" ...")
        raise InputError(f"{model}: Keras cannot load it: {reason}") from None


def saved_by(model: Path) -> str | None:
    """Return the version of Keras that wrote a file, None of an old HDF5 file, without TensorFlow.

    Raises
    ------
    InputError
        A file that is damaged, empty or no ``.keras`` file.
    """
    if not is_zipfile(model):
        with model.open("rb") as file:
            start = file.read(len(HDF5))
        if start == HDF5:
            return None
        what = "cut short, or no .keras file" if start else "empty"
        raise InputError(f"{model}: Keras cannot load it: it is {what}")
    try:
        with ZipFile(model) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{model}: Keras cannot load it: {damaged} in it is damaged")
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (BadZipFile, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{model}: Keras cannot load it: it does not tell the version of Keras") from None
