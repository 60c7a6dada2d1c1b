"""The model that is exported: one image in, one embedding out, and a known preprocessing of pixels."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import Codes, Preprocessing, sidecar_of
from fr_eval.embedders.keras import load_keras
from fr_eval.errors import InputError
from numpy.typing import NDArray

from fr_export._files import checked_keras_file
from fr_export._saving import save
from fr_export.wrappers import pixels_preprocessing

INPUT_TYPES = ("float32", "uint8")
HALVES = ("float16", "bfloat16")


@dataclass(frozen=True)
class Source:
    """A Keras model from images ``[B, H, W, 3]`` to embeddings ``[B, D]``, and what its pixels go through.

    One that is known to be untrained magnifies rounding: calibrated files need not keep its embeddings.
    """

    model: Any
    preprocessing: Preprocessing
    name: str
    trained: bool = True

    @property
    def input_type(self) -> str:
        """Return the type of the model's input: ``float32`` or ``uint8``."""
        return _type_of(self.model.inputs[0])

    @property
    def image_shape(self) -> tuple[int | None, ...]:
        """Return height, width and channels of the model's input; None is free."""
        return tuple(self.model.input_shape[1:])

    @property
    def codes(self) -> Codes | None:
        """Return how integers that the model gives become embeddings; None of a model that gives floats."""
        return None if _type_of(self.model.outputs[0]).startswith("float") else self.preprocessing.codes

    @cached_property
    def saved(self) -> Path:
        """Return the SavedModel of one image that TFLite files are converted from, written once for all."""
        folder = Path(tempfile.mkdtemp(prefix="fr_export_"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        save(self, folder, batch=1)
        return folder

    def inputs(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the model's input for uint8 RGB images."""
        return self.preprocessing.apply(images).astype(self.input_type)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's embeddings of uint8 RGB images."""
        outputs = np.asarray(self.model(self.inputs(images), training=False), np.float32)
        return outputs if self.codes is None else self.codes.decode(outputs)


def open_source(model: Any, preprocessing: Preprocessing | None) -> Source:
    """Take a Keras model or a ``.keras`` file, and its preprocessing: given, a wrapper's, or the sidecar's.

    Raises
    ------
    InputError
        No such file, no preprocessing, another one than the model's size or its wrapper's, given or beside
        it, one of floats for a model of uint8 pixels, other than one image and one embedding.
    """
    if isinstance(model, Source):
        return model
    network, name, path = _network(model)
    _check_graph(network, name)
    wrapped = pixels_preprocessing(network)
    if preprocessing is None and path is not None and (wrapped is None or sidecar_of(path).is_file()):
        preprocessing = Preprocessing.beside(path)
    preprocessing = preprocessing or wrapped
    if preprocessing is None:
        raise InputError(
            f"{name}: its preprocessing is unknown: give preprocessing=, or a file with its sidecar"
        )
    check_wrapped(network, preprocessing, name)
    _check_preprocessing(preprocessing, network, name)
    return Source(network, preprocessing, name)


def check_wrapped(network: Any, given: Preprocessing, name: str) -> None:
    """Refuse preprocessing of a wrapped model that is not what its layers leave to the caller.

    Raises
    ------
    InputError
        What it should be, and what it is said to be.
    """
    wrapped = pixels_preprocessing(network)
    if wrapped is None:
        return
    expected = replace(wrapped, size=given.size)
    if given != expected:
        raise InputError(
            f"{name}: is wrapped: takes {wrapped.colour} pixels from 0 to 255, expected the preprocessing "
            f"{json.dumps(expected.to_fields())} or none, got {json.dumps(given.to_fields())}"
        )


def check_float32(source: Source) -> None:
    """Refuse a model with layers of half precision, which TFLite's operations have none of.

    Raises
    ------
    InputError
        The first such layer.
    """
    for layer in source.model._flatten_layers(include_self=False):
        if layer.weights and not hasattr(layer, "layers") and layer.compute_dtype in HALVES:
            raise InputError(
                f"{source.name}: layer {layer.name!r} computes in {layer.compute_dtype}, expected float32 "
                "throughout, as fr_models.surgery.to_float32 makes it"
            )


def _network(model: Any) -> tuple[Any, str, Path | None]:
    """Return a Keras model, what messages call it, and its file."""
    if not isinstance(model, str | Path):
        return model, f"model {getattr(model, 'name', model)!r}", None
    path = checked_keras_file(model)
    return load_keras(path), str(path), path


def _check_preprocessing(preprocessing: Preprocessing, network: Any, name: str) -> None:
    wanted = tuple(network.input_shape[1:3])
    if any(n not in (None, size) for n, size in zip(wanted, preprocessing.size, strict=True)):
        height, width = preprocessing.size
        raise InputError(
            f"{name}: takes images of {wanted[0]}x{wanted[1]} pixels, the preprocessing says {height}x{width}"
        )
    scale, offset = preprocessing.scale, preprocessing.offset
    if _type_of(network.inputs[0]) == "uint8" and (scale, offset) != (1.0, 0.0):
        raise InputError(
            f"{name}: takes uint8 pixels, expected preprocessing of scale 1 and offset 0, got scale "
            f"{scale:g} and offset {offset:g}"
        )


def _check_graph(network: Any, name: str) -> None:
    shapes = [tuple(t.shape) for t in getattr(network, "inputs", None) or []]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3:
        raise InputError(f"{name}: expected one input of images [B, H, W, 3], got {shapes or 'no graph'}")
    if _type_of(network.inputs[0]) not in INPUT_TYPES:
        raise InputError(
            f"{name}: expected an input of {' or '.join(INPUT_TYPES)}, got {_type_of(network.inputs[0])}"
        )
    outputs = [tuple(t.shape) for t in network.outputs]
    if len(outputs) != 1 or len(outputs[0]) != 2:
        raise InputError(f"{name}: expected one output of embeddings [B, D], got {outputs}")


def _type_of(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))
