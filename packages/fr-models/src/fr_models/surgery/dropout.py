"""Dropout before the embedding."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models._checks import checked_share
from fr_models._types import Model
from fr_models.layers.stochastic_depth import StochasticDepth
from fr_models.surgery._calls import Call, Graph, Layer, graph, is_model
from fr_models.surgery._rebuild import Copies, Laid, rebuild

RESHAPING = (keras.layers.Flatten, keras.layers.Reshape)
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


def set_dropout(model: Model, rate: float) -> Model:
    """Set the dropout before the embedding's dense layer, and lay it where there is none.

    The dense layer is the last one on the way to the first output; a 1x1 convolution of a map of one place is
    one too. Dropout before a `Flatten` or `Reshape` that it follows counts as before it.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    rate : float
        Share of features that training leaves out; 0 takes the dropout out.

    Returns
    -------
    keras.Model
        With the same outputs in inference.

    Raises
    ------
    ValueError
        If `rate` is not in [0, 1), or there is no dense layer.

    Examples
    --------
    >>> from fr_models import create
    >>> set_dropout(create("r18"), 0.4).get_layer("head_dense_dropout").rate
    0.4
    """
    checked_share("rate", rate)
    part, dense = _dense(model, 0, model.name)
    present = _dropout_before(part, dense)

    def change(layer: Layer, copies: Copies) -> Laid | None:
        if present is not None and layer is present:
            return copies.copy(layer, rate=rate) if rate else copies.nothing(layer)
        if present is not None or layer is not dense.layer or not rate:
            return None
        name = copies.name(f"{layer.name}_dropout")
        dropout, copied = copies.fresh(keras.layers.Dropout(rate), layer, name), copies.copy(layer)
        return lambda inputs, **kwargs: copied(dropout(inputs), **kwargs)

    return rebuild(model, change)


def remove_dropout(model: Model) -> Model:
    """Take every `keras.layers.Dropout` out, but no `StochasticDepth`; a model without any is copied.

    Examples
    --------
    >>> from fr_models import create
    >>> model = remove_dropout(create("r18", dropout=0.4))
    >>> any(layer.name == "head_dropout" for layer in model.layers)
    False
    """

    def change(layer: Layer, copies: Copies) -> Laid | None:
        return copies.nothing(layer) if _is_dropout(layer) else None

    return rebuild(model, change)


def _is_dropout(layer: Layer) -> bool:
    return isinstance(layer, keras.layers.Dropout) and not isinstance(layer, StochasticDepth)


def _dense(model: Any, output: int, name: str) -> tuple[Graph, Call]:
    """Walk back from an output to the last dense layer."""
    part = graph(model)
    tensor = tf.nest.flatten(part.outputs)[output]
    while True:
        call = part.producer[id(tensor)]
        if is_model(call.layer):
            return _dense(call.layer, [id(end) for end in call.outputs].index(id(tensor)), name)
        sources = part.sources(call)
        if _is_dense(call.layer, sources):
            return part, call
        if len(sources) != 1 or isinstance(call.layer, CONVOLUTIONS):
            raise ValueError(f"{name}: expected a dense layer before the first output, got {call.layer.name}")
        tensor = sources[0]


def _is_dense(layer: Layer, sources: list[Any]) -> bool:
    if isinstance(layer, keras.layers.Dense):
        return True
    return isinstance(layer, keras.layers.Conv2D) and tuple(sources[0].shape[1:3]) == (1, 1)


def _dropout_before(part: Graph, dense: Call) -> Layer | None:
    call: Call | None = part.before(dense)
    while call is not None and isinstance(call.layer, RESHAPING):
        call = part.before(call)
    return call.layer if call is not None and _is_dropout(call.layer) else None
