"""Weights of files of many kinds for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fr_models._checks import checked_model, existing_file
from fr_models._types import Model
from fr_models.weights._assign import assign
from fr_models.weights._match import match
from fr_models.weights._model_records import our_layers
from fr_models.weights._records import File, OurLayer
from fr_models.weights._refusals import check_rest, without_head
from fr_models.weights._report import Report


def load_weights(model: Model, path: str | Path, only: Literal["backbone"] | None = None) -> Report:
    """Give a model the weights of a file. Either all of the model's layers get theirs, or none does.

    Layers are paired by name, names of insightface's IResNets included; else by what feeds them, where the
    file has a graph (ONNX, and files of Keras with a whole model); else by order among layers of one kind and
    shape, unless these lie side by side, where order says nothing. Kernels and slopes come into Keras's
    layout, and a dense kernel after a flattening into its order of height, width, channels. A bias that the
    model has no place for goes into the batch normalisation that follows, and batch normalisation with
    another epsilon keeps its output. PyTorch's epsilon is taken as 1e-5 and MXNet's as 2e-5, as insightface
    has them.

    What a file says of strides, padding, activations and poolings must be the model's: ONNX says the first
    two, configs of Keras all. Convolutions of PyTorch and MXNet pad alike at both sides, and the model's have
    to. A file may have class matrices that the model has not, which training heads leave: the report calls
    them unused. Other layers that nothing takes are of another network, and refused. In ONNX all layers count
    for the output: none may be over, nor stored numbers in between, such as those of preprocessing.

    Parameters
    ----------
    model : keras.Model
        From `create`, or any other.
    path : str or Path
        ``.keras``, ``.h5`` or ``.weights.h5`` of Keras 2 or 3; ``.onnx`` (needs the extra ``onnx``);
        ``.safetensors`` (``torch``); ``.pt`` or ``.pth`` (needs PyTorch); MXNet's ``.params``.
    only : {"backbone"}, optional
        Leave the head that `create` lays as it is, for one of another kind or length, and the file's head
        unused; in files with a graph that is all that comes after the backbone.

    Returns
    -------
    Report
        What is from where, and what of the file is not used.

    Raises
    ------
    ValueError
        If a layer has no counterpart, or one of another shape or with other settings: which tensor, what was
        expected, what was found.
    MissingExtraError
        If what reads the file is not installed.

    Examples
    --------
    >>> from fr_models import create, load_weights
    >>> model = create("r50", head="E")
    >>> print(load_weights(model, "backbone.onnx"))  # doctest: +SKIP
    backbone.onnx: 387 tensors matched
    """
    checked_model("model", model)
    if only not in (None, "backbone"):
        raise ValueError(f'only: expected "backbone" or nothing, got {only!r}')
    source = existing_file("path", path)
    file = _reader(source)(source)
    ours, has_graph = our_layers(model)
    head: list[OurLayer] = []
    left: tuple[str, ...] = ()
    if only == "backbone":
        ours, head = without_head(ours)
        if not head:
            raise ValueError(f"{model.name}: has no head of fr_models, so all of it is backbone")
        layers, rest = without_head(file.layers)
        file = replace(file, layers=layers)
        left = tuple(name for layer in rest for name in layer.names.values())
    pairs = match(ours, has_graph, file)
    if only is None or not file.has_graph:
        check_rest(file, pairs)
    report = assign(ours, file, pairs)
    kept = tuple(f"{layer.name}/{role}" for layer in head for role in layer.variables)
    return replace(report, missing=report.missing + kept, unused=report.unused + left)


def _reader(path: Path) -> Callable[[Path], File]:
    """Import what reads a format when it is read."""
    if path.suffix in (".keras", ".h5", ".hdf5"):
        from fr_models.weights.keras_file import read_keras

        return read_keras
    if path.suffix == ".onnx":
        from fr_models.weights.onnx_file import read_onnx

        return read_onnx
    if path.suffix in (".safetensors", ".pt", ".pth"):
        from fr_models.weights.torch_file import read_torch

        return read_torch
    if path.suffix == ".params":
        from fr_models.weights.mxnet_file import read_mxnet

        return read_mxnet
    raise ValueError(f"{path}: expected .keras, .h5, .onnx, .safetensors, .pt, .pth or .params")
