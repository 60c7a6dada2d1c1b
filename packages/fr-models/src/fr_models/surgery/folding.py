"""Batch normalisation folded into the layers beside it.

In inference it is ``x scale + offset``, channel by channel. After a linear layer it becomes a part of that
layer's kernel and bias, whatever the padding. Before one it does where the layer sees no padding: zeros that
a convolution adds are added after the normalisation, and would have to be its offset.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow import keras

from fr_models._types import Model
from fr_models.layers.grouped_conv import GroupedConv2D
from fr_models.surgery._calls import Call, Graph, Layer, call_counts, calls
from fr_models.surgery._rebuild import Copies, Laid, rebuild

Array = npt.NDArray[np.float64]

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, GroupedConv2D)
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
RESHAPING = (keras.layers.Flatten, keras.layers.Reshape)
# What ``x scale + offset`` can be moved behind, in inference.
PASSED = (
    keras.layers.Flatten,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
)


@dataclass(frozen=True)
class Folds:
    """What `fold_batch_norm` does to a model.

    Attributes
    ----------
    folded : tuple of str
        Names of the batch normalisations that go.
    left : dict
        Why the others stay, by name.
    """

    folded: tuple[str, ...]
    left: dict[str, str]


@dataclass
class _Fold:
    """What one linear layer takes up: normalisations in the order of the graph."""

    layer: Layer
    before: list[Layer] = field(default_factory=list)
    after: list[Layer] = field(default_factory=list)


def fold_batch_norm(model: Model) -> Model:
    """Fold batch normalisations into convolutions and dense layers, for export.

    `batch_norm_folds` says which.

    Into a layer before it, directly or behind a `Reshape` that keeps the channels; else into one after it, of
    kernel size 1 or without padding, directly or behind dropout, a global mean or `Flatten`. What is called
    more than once, ends in an activation, has other channels than the last axis, or gives other layers or the
    outputs something too, stays. Nor does one go across the border of a nested model.

    Parameters
    ----------
    model : keras.Model
        A functional one.

    Returns
    -------
    keras.Model
        With the same outputs in inference, but for rounding; it is of no use for training.

    Examples
    --------
    >>> from fr_models import create
    >>> model = create("r18")
    >>> len(batch_norm_folds(model).folded)
    23
    >>> fold_batch_norm(model).count_params() < model.count_params()
    True
    """
    folds = _plan(model)
    gone = {id(norm) for fold in folds.values() for norm in fold.before + fold.after}

    def change(layer: Layer, copies: Copies) -> Laid | None:
        if id(layer) in gone:
            return copies.nothing(layer)
        if id(layer) not in folds:
            return None
        return copies.with_weights(layer, _folded(folds[id(layer)]), use_bias=True)

    return rebuild(model, change)


def batch_norm_folds(model: Model) -> Folds:
    """Say which batch normalisations `fold_batch_norm` folds, and why the others stay."""
    gone = {id(norm) for fold in _plan(model).values() for norm in fold.before + fold.after}
    counts = call_counts(model)
    every = {id(call.layer): (part, call) for part, call in calls(model) if _is_batch_norm(call.layer)}
    return Folds(
        tuple(call.layer.name for key, (_, call) in every.items() if key in gone),
        {
            call.layer.name: _reason(part, call, counts)
            for key, (part, call) in every.items()
            if key not in gone
        },
    )


def _reason(part: Graph, norm: Call, counts: Counter[int]) -> str:
    """Say why a batch normalisation stays."""
    if not _is_norm(norm, counts):
        return "it is called more than once, in training, or over another axis than the last"
    before, after = part.before(norm), part.after(norm)
    if before is not None and _is_linear(before.layer, counts):
        return f"{before.layer.name} gives other channels than it"
    if after is not None and _is_linear(after.layer, counts):
        return (
            f"{after.layer.name} pads its input"
            if not _sees_no_padding(after.layer)
            else (f"{after.layer.name} has another input than it alone")
        )
    around = [
        "a layer that gives others its input too" if before is None else before.layer.name,
        "several layers or an output" if after is None else after.layer.name,
    ]
    return f"it is between {around[0]} and {around[1]}, which cannot take it up"


def _plan(model: Any) -> dict[int, _Fold]:
    """Return what each linear layer takes up, by its identity: those that follow one first."""
    counts = call_counts(model)
    linear = [(part, call) for part, call in calls(model) if _is_linear(call.layer, counts)]
    folds = {id(call.layer): _Fold(call.layer) for _, call in linear}
    for part, call in linear:
        folds[id(call.layer)].after = _norms_after(part, call, counts)
    taken = {id(norm) for fold in folds.values() for norm in fold.after}
    for part, call in linear:
        if _sees_no_padding(call.layer):
            folds[id(call.layer)].before = _norms_before(part, call, counts, taken)
    return {key: fold for key, fold in folds.items() if fold.before or fold.after}


def _is_linear(layer: Layer, counts: Counter[int]) -> bool:
    return (
        type(layer) in (keras.layers.Dense, *CONVOLUTIONS, *DEPTHWISE, *SEPARABLE)
        and counts[id(layer)] == 1
        and keras.activations.serialize(layer.activation) == "linear"
        and _channels_last(layer)
    )


def _sees_no_padding(layer: Layer) -> bool:
    if isinstance(layer, keras.layers.Dense):
        return True
    return type(layer) not in SEPARABLE and (layer.padding == "valid" or set(layer.kernel_size) == {1})


def _channels_last(layer: Layer) -> bool:
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def _is_batch_norm(layer: Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _is_norm(call: Call, counts: Counter[int]) -> bool:
    """Whether a call is inference's ``x scale + offset`` of the last axis, and the layer's only one."""
    layer = call.layer
    if not _is_batch_norm(layer) or counts[id(layer)] != 1:
        return False
    last = len(call.outputs[0].shape) - 1
    return np.ravel(layer.axis).tolist() in ([-1], [last]) and call.kwargs.get("training") is not True


def _norms_after(part: Graph, call: Call, counts: Counter[int]) -> list[Layer]:
    norms = []
    channels = call.outputs[0].shape[-1]
    following = part.after(call)
    while following is not None and following.outputs[0].shape[-1] == channels:
        if _is_norm(following, counts):
            norms.append(following.layer)
        elif not isinstance(following.layer, RESHAPING):
            break
        following = part.after(following)
    return norms


def _norms_before(part: Graph, call: Call, counts: Counter[int], taken: set[int]) -> list[Layer]:
    norms: list[Layer] = []
    passed = PASSED if isinstance(call.layer, keras.layers.Dense) else (keras.layers.Dropout,)
    earlier = part.before(call)
    while earlier is not None and id(earlier.layer) not in taken:
        if _is_norm(earlier, counts):
            norms.insert(0, earlier.layer)
        elif not isinstance(earlier.layer, passed) or not _channels_last(earlier.layer):
            break
        earlier = part.before(earlier)
    return norms


def _folded(fold: _Fold) -> list[Array]:
    """Return the weights of a layer that has taken up what is before and after it."""
    layer = fold.layer
    weights = [np.asarray(weight, np.float64) for weight in layer.get_weights()]
    bias = weights.pop() if layer.use_bias else None
    shape = weights[-1].shape
    kernel = _by_output(layer, weights[-1])
    bias = np.zeros(kernel.shape[-1]) if bias is None else bias
    for norm in reversed(fold.before):
        scale, offset = (_by_input(layer, kernel, value) for value in _scale_and_offset(norm))
        bias = bias + (kernel * offset).reshape(-1, kernel.shape[-1]).sum(axis=0)
        kernel = kernel * scale
    for norm in fold.after:
        scale, offset = _scale_and_offset(norm)
        kernel, bias = kernel * scale, bias * scale + offset
    return [*weights[:-1], kernel.reshape(shape), bias]


def _scale_and_offset(norm: Layer) -> tuple[Array, Array]:
    mean, variance = (np.asarray(value, np.float64) for value in (norm.moving_mean, norm.moving_variance))
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    scale = scale * np.asarray(norm.gamma, np.float64) if norm.scale else scale
    offset = -mean * scale
    return scale, offset + np.asarray(norm.beta, np.float64) if norm.center else offset


def _by_output(layer: Layer, kernel: Array) -> Array:
    """Return a kernel whose last axis is the layer's outputs."""
    if type(layer) not in DEPTHWISE:
        return kernel
    return kernel.reshape(*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1])


def _by_input(layer: Layer, kernel: Array, of_channels: Array) -> Array:
    """Spread values of channels over a kernel ``[..., inputs, outputs]``, by the input of each part."""
    inputs, outputs = kernel.shape[-2:]
    if isinstance(layer, keras.layers.Dense):  # places side by side, where the map was flattened
        return np.tile(of_channels, inputs // len(of_channels))[:, None]
    groups = len(of_channels) // inputs  # a depthwise convolution has one input in each
    return np.repeat(of_channels.reshape(groups, inputs).T, outputs // groups, axis=1)
