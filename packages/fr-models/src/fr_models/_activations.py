"""Activations by name: Keras's, and those that Keras 2 lacks or has in another form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow import keras

from fr_models.layers.hard_sigmoid import HardSigmoid
from fr_models.layers.hard_swish import HardSwish
from fr_models.layers.prelu import ChannelPReLU

LAYERS: dict[str, Callable[..., Any]] = {
    "prelu": ChannelPReLU,
    "relu6": lambda **layer: keras.layers.ReLU(6.0, **layer),
    "hard_sigmoid": HardSigmoid,
    "hard_swish": HardSwish,
}
OTHER_NAMES = {"hard_silu": "hard_swish"}


def checked_activation(argument: str, name: Any) -> str:
    """Return the one name that an activation has here.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    known = _name(name) if isinstance(name, str) else None
    if known is None:
        raise ValueError(f"{argument}: expected prelu or the name of an activation of Keras, got {name!r}")
    return known


def activation_layer(activation: str | None, **layer: Any) -> Any:
    """Make the layer of an activation that is checked; ``layer`` as in every Keras layer."""
    if activation in LAYERS:
        return LAYERS[activation](**layer)
    return keras.layers.Activation(activation, **layer)


def name_of(function: Any) -> str | None:
    """Return the name of an activation function, if it has one."""
    known = keras.activations.serialize(function)
    return OTHER_NAMES.get(known, known) if isinstance(known, str) else None


def _name(name: str) -> str | None:
    name = OTHER_NAMES.get(name, name)
    if name in LAYERS:
        return name
    try:
        return name_of(keras.activations.get(name))
    except ValueError:
        return None
