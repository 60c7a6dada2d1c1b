"""State dicts of PyTorch: ``.safetensors``, and ``.pt`` or ``.pth`` with a pickle of nothing but tensors."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from fr_eval import MissingExtraError

from fr_models.weights._channels_first import file_layer
from fr_models.weights._insightface import from_torch
from fr_models.weights._records import Array, File, FileLayer, natural

EPSILON = 1e-5  # PyTorch's default, which arcface_torch has too; the files do not say it
ROLES = {"weight": "kernel", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
OF_BATCH_NORM = {"kernel": "gamma", "bias": "beta"}
INSIDE = ("state_dict_backbone", "state_dict", "model")


def read_torch(path: Path) -> File:
    """Read the layers of a state dict.

    Raises
    ------
    ValueError
        If the file holds none.
    MissingExtraError
        If what reads it is not installed.
    """
    if path.suffix == ".safetensors":
        try:
            from safetensors.numpy import load_file
        except ImportError:
            raise MissingExtraError("safetensors", "fr-models[torch]", str(path)) from None
        try:
            tensors = load_file(path)
        except Exception as error:  # safetensors raises one of its own that is no public name in older ones
            raise ValueError(f"{path}: expected safetensors: {error}") from None
        tensors = {name: tensors[name] for name in sorted(tensors, key=natural)}
    else:
        tensors = _of_pickle(path)
    layers = _layers(tensors)
    _set_followers(layers, by_name=path.suffix == ".safetensors")
    others = {
        layer.names[r]: t for layer in layers if layer.kind == "other" for r, t in layer.tensors.items()
    }
    return File(
        str(path),
        [layer for layer in layers if layer.kind != "other"],
        is_sorted=path.suffix == ".safetensors",
        others=others,
    )


def _of_pickle(path: Path) -> dict[str, Array]:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise MissingExtraError("torch", "torch", str(path)) from None
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path}: expected a state dict and nothing else: {str(error).splitlines()[0]}"
        ) from None
    for name in INSIDE:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise ValueError(f"{path}: expected a state dict of tensors, found {type(loaded).__name__}")
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        for name, tensor in loaded.items()
    }


def _layers(tensors: Mapping[str, Array]) -> list[FileLayer]:
    prefix = _shared_prefix(tensors)
    by_layer: dict[str, dict[str, str]] = {}
    for name in tensors:
        layer, _, tensor = name.rpartition(".")
        if tensor != "num_batches_tracked":
            by_layer.setdefault(layer, {})[ROLES.get(tensor, tensor)] = name
    layers = []
    for layer, names in by_layer.items():
        if "mean" in names:
            names = {OF_BATCH_NORM.get(role, role): name for role, name in names.items()}
        elif set(names) == {"kernel"} and tensors[names["kernel"]].ndim == 1:
            names = {"alpha": names["kernel"]}
        values = {role: _float32(tensors[name]) for role, name in names.items()}
        layers.append(file_layer(from_torch(layer.removeprefix(prefix)), values, names, EPSILON))
    return layers


def _shared_prefix(tensors: Mapping[str, Array]) -> str:
    """Parts of a name that all tensors begin with but matrices, of which some may be of a training head.

    DistributedDataParallel's ``module.`` and Lightning's ``model.`` or ``backbone.`` are such.
    """
    layers = [name.split(".")[:-2] for name, tensor in tensors.items() if tensor.ndim not in (0, 2)]
    shared = []
    for parts in zip(*layers, strict=False):
        if len(set(parts)) > 1 or len(layers) < 2:
            break
        shared.append(parts[0])
    return "".join(f"{part}." for part in shared)


def _float32(tensor: Array) -> Array:
    return tensor if tensor.dtype.kind in "iub" else np.asarray(tensor, np.float32)


def _set_followers(layers: list[FileLayer], by_name: bool) -> None:
    """Say that a BN right after a convolution follows it; in a sorted file, as steps of one sequence."""
    for position, (layer, after) in enumerate(pairwise(layers)):
        if layer.kind not in ("conv", "depthwise") or after.kind != "bn":
            continue
        before, later = layer.name.rpartition("."), after.name.rpartition(".")
        steps = before[2].isdigit() and later[2].isdigit() and int(later[2]) == int(before[2]) + 1
        if not by_name or (before[0] == later[0] and steps):
            layer.follower = position + 1
