"""Weights of files of many kinds for a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fr_models.weights._assign import assign
from fr_models.weights._layers import File
from fr_models.weights._match import match
from fr_models.weights._our_layers import our_layers
from fr_models.weights._report import Report


def load_weights(model: Any, path: str | Path) -> Report:
    """Give a model the weights of a file. Either all of the model's layers get theirs, or none does.

    Layers are paired by name, names of insightface's IResNets included; else by what feeds them, where the
    file has a graph (ONNX, and files of Keras with a whole model); else by order among layers of one kind and
    shape, unless these lie side by side, where order says nothing. Kernels and slopes come into Keras's
    layout, and a dense kernel after a flattening into its order of height, width, channels. A bias that the
    model has no place for goes into the batch normalisation that follows, and batch normalisation with
    another epsilon keeps its output. PyTorch's epsilon is taken as 1e-5 and MXNet's as 2e-5, as insightface
    has them.

    Parameters
    ----------
    model : keras.Model
        From `create`, or any other.
    path : str or Path
        ``.keras``, ``.h5`` or ``.weights.h5`` of Keras 2 or 3; ``.onnx`` (needs the extra ``onnx``);
        ``.safetensors`` (``torch``); ``.pt`` or ``.pth`` (needs PyTorch); MXNet's ``.params``.

    Returns
    -------
    Report
        What is from where, and what of the file is not used.

    Raises
    ------
    ValueError
        If a layer has no counterpart, or one of another shape: which tensor, what was expected, what was
        found.
    MissingExtraError
        If what reads the file is not installed.

    Examples
    --------
    >>> from fr_models import create, load_weights
    >>> model = create("r50", head="E")
    >>> print(load_weights(model, "backbone.onnx"))  # doctest: +SKIP
    backbone.onnx: 387 tensors matched
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    file = _reader(path)(path)
    ours, has_graph = our_layers(model)
    return assign(ours, file, match(ours, has_graph, file))


def _reader(path: Path) -> Callable[[Path], File]:
    """Import what reads a format when it is read."""
    if path.suffix in (".keras", ".h5", ".hdf5"):
        from fr_models.weights.keras import read_keras

        return read_keras
    if path.suffix == ".onnx":
        from fr_models.weights.onnx import read_onnx

        return read_onnx
    if path.suffix in (".safetensors", ".pt", ".pth"):
        from fr_models.weights.torch import read_torch

        return read_torch
    if path.suffix == ".params":
        from fr_models.weights.mxnet import read_mxnet

        return read_mxnet
    raise ValueError(f"{path}: expected .keras, .h5, .onnx, .safetensors, .pt, .pth or .params")
