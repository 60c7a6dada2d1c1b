"""The model that is exported: one image in, one embedding out, and a known preprocessing of pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import Preprocessing
from fr_eval.embedders.keras import load_keras
from fr_eval.errors import InputError
from numpy.typing import NDArray

from fr_export.wrappers import Quantise, pixels_preprocessing

INPUT_TYPES = ("float32", "uint8")


@dataclass(frozen=True)
class Source:
    """A Keras model from images ``[B, H, W, 3]`` to embeddings ``[B, D]``, and what its pixels go through."""

    model: Any
    preprocessing: Preprocessing
    name: str

    @property
    def input_type(self) -> str:
        """Return the type of the model's input: ``float32`` or ``uint8``."""
        return _type_of(self.model.inputs[0])

    @property
    def image_shape(self) -> tuple[int | None, ...]:
        """Return height, width and channels of the model's input; None is free."""
        return tuple(self.model.input_shape[1:])

    @property
    def quantise(self) -> Quantise | None:
        """Return the last layer of a wrapped model that gives codes of embeddings, which decodes them."""
        last = self.model.layers[-1]
        return last if isinstance(last, Quantise) else None

    def inputs(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the model's input for uint8 RGB images."""
        return self.preprocessing.apply(images).astype(self.input_type)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's embeddings of uint8 RGB images."""
        outputs = np.asarray(self.model(self.inputs(images), training=False), np.float32)
        return outputs if self.quantise is None else self.quantise.decode(outputs)


def open_source(model: Any, preprocessing: Preprocessing | None) -> Source:
    """Take a Keras model or a ``.keras`` file, and its preprocessing: given, a wrapper's, or the sidecar's.

    Raises
    ------
    InputError
        No such file, no preprocessing, another one than the model's size or its wrapper's, one of floats for
        a model of uint8 pixels, other than one image and one embedding.
    """
    if isinstance(model, Source):
        return model
    network, name, path = _network(model)
    _check_graph(network, name)
    wrapped = pixels_preprocessing(network)
    if wrapped is not None and preprocessing is not None:
        _check_wrapped(wrapped, preprocessing, name)
        preprocessing = replace(preprocessing, codes=wrapped.codes)
    preprocessing = preprocessing or wrapped
    if preprocessing is None and path is not None:
        preprocessing = Preprocessing.beside(path)
    if preprocessing is None:
        raise InputError(
            f"{name}: its preprocessing is unknown: give preprocessing=, or a file with its sidecar"
        )
    _check_preprocessing(preprocessing, network, name)
    return Source(network, preprocessing, name)


def _network(model: Any) -> tuple[Any, str, Path | None]:
    """Return a Keras model, what messages call it, and its file."""
    if not isinstance(model, str | Path):
        return model, f"model {getattr(model, 'name', model)!r}", None
    path = Path(model)
    if path.suffix != ".keras":
        raise InputError(f"{path}: expected a .keras file or a Keras model")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
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


def _check_wrapped(wrapped: Preprocessing, given: Preprocessing, name: str) -> None:
    """Refuse to do to pixels, once more, what layers of the model do."""
    expected = replace(wrapped, size=given.size)
    if given not in (expected, replace(expected, codes=None)):
        raise InputError(
            f"{name}: is wrapped: takes {wrapped.colour} pixels from 0 to 255, got preprocessing of scale "
            f"{given.scale:g}, offset {given.offset:g} and {given.colour}: leave it out"
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
