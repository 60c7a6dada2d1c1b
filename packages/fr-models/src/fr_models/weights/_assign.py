"""From paired layers to the model's numbers: layouts, biases, batch normalisation. All or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from fr_models.weights._kinds import ROLES
from fr_models.weights._records import Array, File, FileLayer, OurLayer
from fr_models.weights._report import Match, Report

Values = dict[str, tuple[Array, str]]  # role -> numbers, and the names of where they are from


def assign(ours: Sequence[OurLayer], file: File, pairs: Mapping[int, int]) -> Report:
    """Give every layer the numbers of its counterpart.

    Raises
    ------
    ValueError
        If one cannot take them; then no layer has taken any.
    """
    new: list[tuple[str, Any, Array, str]] = []
    used: set[tuple[int, str]] = set()
    missing: list[str] = []
    biases: dict[int, tuple[Array, str]] = {}
    for position, our in enumerate(ours):
        their = None
        if position in pairs:
            their = _in_our_order(our, _with_our_roles(our, file.layers[pairs[position]], file.path))
            used |= {(pairs[position], role) for role in their.names}
        values = _values(our, their, biases, position, file.path)
        for role, variable in our.variables.items():
            name = f"{our.name}/{role}"
            if role not in values:
                if not str(np.dtype(_dtype(variable))).startswith("float"):
                    missing.append(name)
                    continue
                raise ValueError(f"{file.path}: {name}: expected {list(variable.shape)}, found nothing")
            new.append((name, variable, _checked(*values[role], variable, name, file.path), values[role][1]))
    for _, variable, value, _ in new:
        variable.assign(value)
    return Report(
        file=PurePath(file.path).name,
        matched=tuple(Match(name, theirs, value.shape) for name, _, value, theirs in new),
        missing=tuple(missing),
        unused=_unused(file, used) + tuple(file.others),
    )


def _dtype(variable: Any) -> str:
    dtype = variable.dtype
    name = str(getattr(dtype, "name", dtype)).removesuffix("_ref")
    return "float32" if name == "bfloat16" else name


def _unused(file: File, used: set[tuple[int, str]]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for position, layer in enumerate(file.layers):
        taken = {role for at, role in used if at == position}
        numbered = {str(number) for number in range(len(layer.names))}
        for role, name in layer.names.items():
            if role not in taken and not (role in numbered and taken):
                names[name] = None
    return tuple(names)


def _with_our_roles(our: OurLayer, their: FileLayer, path: str) -> FileLayer:
    """Call numbered tensors as ours are called; as many of the same layer are in the same order."""
    if our.kind == their.kind and our.kind in ROLES and "0" not in their.tensors:
        return their
    if len(their.tensors) != len(our.variables):
        raise ValueError(
            f"{path}: {our.name}: expected {len(our.variables)} tensors, found {len(their.tensors)} "
            f"({their.name})"
        )
    roles = dict(zip(their.tensors, our.variables, strict=True))
    return FileLayer(
        name=their.name,
        kind=our.kind,
        tensors={roles[number]: tensor for number, tensor in their.tensors.items()},
        names={roles[number]: name for number, name in their.names.items()},
        epsilon=their.epsilon,
        channels_first=their.channels_first,
    )


def _in_our_order(our: OurLayer, their: FileLayer) -> FileLayer:
    """Return a layer that takes a flattened ``[H, W, C]`` where the file's takes ``[C, H, W]``."""
    if our.places is None or not their.channels_first:
        return their
    height, width, channels = our.places
    ordered = {}
    for role, tensor in their.tensors.items():
        columns = tensor.shape[-1] if role == "kernel" else 1
        if role != "bias" and tensor.size == height * width * channels * columns:
            planes = tensor.reshape(channels, height, width, columns)
            tensor = planes.transpose(1, 2, 0, 3).reshape(tensor.shape)
        ordered[role] = tensor  # what is of another size is refused where it is assigned
    return replace(their, tensors=ordered)


def _values(
    our: OurLayer,
    their: FileLayer | None,
    biases: dict[int, tuple[Array, str]],
    position: int,
    path: str,
) -> Values:
    """Return what a layer's tensors become; a bias without a place waits in ``biases`` for the next layer."""
    if our.kind == "bn":
        bias = biases.pop(position, None)
        if their is None:
            return _folded(our, bias)
        _refuse_integers(their, path)
        return _batch_norm(our, their, bias, path)
    assert their is not None
    if our.kind in ROLES:
        _refuse_integers(their, path)
    values = {role: (tensor, their.names[role]) for role, tensor in their.tensors.items()}
    if our.kind in ("conv", "depthwise"):
        values["kernel"] = (_kernel(our, their), their.names["kernel"])
        if "bias" in our.variables:
            values.setdefault("bias", (np.zeros(our.variables["bias"].shape), ""))
        elif "bias" in values:
            if our.follower is None:
                raise ValueError(
                    f"{path}: {our.name}: expected no bias, found {their.names['bias']}, and no batch "
                    "normalisation follows that could take it"
                )
            biases[our.follower] = values.pop("bias")
    elif our.kind == "prelu":
        values["alpha"] = (their.tensors["alpha"].reshape(our.variables["alpha"].shape), their.names["alpha"])
    return values


def _kernel(our: OurLayer, their: FileLayer) -> Array:
    kernel = their.tensors["kernel"]
    shape = tuple(our.variables["kernel"].shape)
    return kernel.reshape(shape) if kernel.size == np.prod(shape) else kernel


def _batch_norm(our: OurLayer, their: FileLayer, bias: tuple[Array, str] | None, path: str) -> Values:
    """Return the four tensors; where epsilon or what there is differs, such that the outputs are the same."""
    names = dict(their.names)
    epsilon = our.epsilon if their.epsilon is None else their.epsilon
    mean, variance = (their.tensors[role].astype(np.float64) for role in ("mean", "variance"))
    if np.any(variance < 0):
        raise ValueError(
            f"{path}: {our.name}: expected variances of 0 or more, found {variance.min():g} "
            f"({names['variance']})"
        )
    gamma = their.tensors.get("gamma", np.ones(mean.shape)).astype(np.float64)
    beta = their.tensors.get("beta", np.zeros(mean.shape)).astype(np.float64)
    if bias is not None:
        mean = mean - bias[0].astype(np.float64).ravel()
        names["mean"] = f"{names['mean']}+{bias[1]}"
    deviation = np.sqrt(variance + epsilon)
    if "gamma" in our.variables:
        if epsilon != our.epsilon:
            gamma = gamma * np.sqrt(variance + our.epsilon) / deviation
    else:
        if np.any(gamma <= 0):
            raise ValueError(
                f"{path}: {our.name}: expected scales above 0 as it has none, found {gamma.min()}"
            )
        if epsilon != our.epsilon or np.any(gamma != 1):
            variance = (deviation / gamma) ** 2 - our.epsilon
            names["variance"] = "+".join(names[role] for role in ("variance", "gamma") if role in names)
    if "beta" not in our.variables:
        mean = mean - beta * deviation / gamma
    values = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    return {role: (value, names.get(role, "")) for role, value in values.items()}


def _folded(our: OurLayer, bias: tuple[Array, str] | None) -> Values:
    """Return a batch normalisation that only adds the bias of the convolution before it."""
    shape = tuple(our.variables["mean"].shape)
    added, name = (np.zeros(shape), "") if bias is None else (bias[0].ravel().astype(np.float64), bias[1])
    has_beta = "beta" in our.variables
    return {
        "gamma": (np.ones(shape), ""),
        "beta": (added, name),
        "mean": (np.zeros(shape), "") if has_beta else (-added, name),
        "variance": (np.full(shape, 1.0 - our.epsilon), ""),
    }


def _refuse_integers(their: FileLayer, path: str) -> None:
    """Refuse numbers whose scale the file does not say."""
    for role, tensor in their.tensors.items():
        if tensor.dtype.kind in "iub":
            raise ValueError(
                f"{path}: {their.names[role]}: expected floating-point numbers, found {tensor.dtype.name}"
            )


def _checked(value: Array, theirs: str, variable: Any, name: str, path: str) -> Array:
    expected = tuple(int(n) for n in variable.shape)
    if tuple(value.shape) != expected:
        raise ValueError(f"{path}: {name}: expected {list(expected)}, found {list(value.shape)} ({theirs})")
    value = np.asarray(value, _dtype(variable))
    if not np.all(np.isfinite(value)):
        raise ValueError(f"{path}: {name}: expected finite numbers, found NaN or infinity ({theirs})")
    return value
