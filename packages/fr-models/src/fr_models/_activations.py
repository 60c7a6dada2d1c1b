"""Activations by name."""

from __future__ import annotations

from typing import Any

from tensorflow import keras


def checked_activation(argument: str, name: Any) -> str:
    """Return the one name that Keras gives an activation, or ``prelu``.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name == "prelu":
        return "prelu"
    try:
        known = keras.activations.serialize(keras.activations.get(name)) if isinstance(name, str) else None
    except ValueError:
        known = None
    if not isinstance(known, str):
        raise ValueError(f"{argument}: expected prelu or the name of an activation of Keras, got {name!r}")
    return known
