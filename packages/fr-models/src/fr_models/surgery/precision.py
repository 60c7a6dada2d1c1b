"""The precision that a trained network computes in."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_models._types import Model
from fr_models.surgery._calls import Layer, graph, is_model, layers
from fr_models.surgery._rebuild import Copies, Laid, rebuild

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def to_float32(model: Model) -> Model:
    """Let every layer compute in float32: `to_policy` with ``float32``.

    Examples
    --------
    >>> from fr_models import create
    >>> mixed = to_policy(create("r18"), "mixed_bfloat16")
    >>> to_float32(mixed).get_layer("stem_conv").compute_dtype
    'float32'
    """
    return to_policy(model, "float32")


def to_policy(model: Model, policy: str) -> Model:
    """Change the precision of layers; weights are in float32 before and after.

    Layers that give the model's outputs, `fr_models.create`'s embedding among them, compute in float32 as
    before. In a model of mixed precision other layers in float32 were chosen to be so, and stay so. Layers in
    other dtypes, float64 or integers, stay as they are.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    policy : {"float32", "mixed_float16", "mixed_bfloat16"}
        What layers compute in.

    Returns
    -------
    keras.Model
        With the same weights.

    Raises
    ------
    ValueError
        If the policy is unknown.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy: expected one of {', '.join(POLICIES)}, got {policy!r}")
    every = [layer for layer in layers(model) if _policy(layer) in POLICIES]
    changed = [layer for layer in every if _policy(layer) != "float32"] or every
    ends = set() if policy == "float32" else _ends(model)
    wanted = {id(layer) for layer in changed} - ends

    def change(layer: Layer, copies: Copies) -> Laid | None:
        return copies.copy(layer, **_with_policy(layer.get_config(), policy)) if id(layer) in wanted else None

    return rebuild(model, change)


def _policy(layer: Layer) -> str | None:
    policy = getattr(layer, "dtype_policy", None)  # operations of Keras 3 have none
    return None if policy is None else str(policy.name)


def _with_policy(settings: dict[str, Any], policy: str) -> dict[str, Any]:
    """Return a layer's settings in another precision, and those of the layers that it wraps."""
    changed = {}
    for name, value in settings.items():
        wrapped = isinstance(value, dict) and "dtype" in (value.get("config") or {})
        changed[name] = {**value, "config": _with_policy(value["config"], policy)} if wrapped else value
    return {**changed, "dtype": policy}


def _ends(model: Any) -> set[int]:
    """Identities of the layers that give a model's outputs."""
    part = graph(model)
    ends: set[int] = set()
    for output in tf.nest.flatten(part.outputs):
        layer = part.producer[id(output)].layer
        ends |= _ends(layer) if is_model(layer) else {id(layer)}
    return ends
