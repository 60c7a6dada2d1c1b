"""Of which kind a layer is: by its class, or by the names of its tensors where the class is not known.

Kinds are ``conv`` (a dense layer is one of 1 x 1), ``depthwise``, ``bn``, ``prelu``, and ``inner`` for a
layer inside of another one; other layers have their class, in Keras's snake case, as kind. A class that is
made of another one is of its kind: ours, and those that somebody has registered with Keras.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

from tensorflow import keras

from fr_models import _keras, layers

ROLES = {
    "conv": ("kernel", "bias"),
    "depthwise": ("kernel", "bias"),
    "bn": ("gamma", "beta", "mean", "variance"),
    "prelu": ("alpha",),
}
ROLE_OF = {
    "kernel": "kernel",
    "depthwise_kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "alpha",
}
KINDS = {
    keras.layers.Conv2D: "conv",
    keras.layers.Conv2DTranspose: "conv2d_transpose",  # a Conv2D in Keras 2
    keras.layers.Dense: "conv",
    keras.layers.DepthwiseConv2D: "depthwise",
    keras.layers.BatchNormalization: "bn",
    keras.layers.PReLU: "prelu",
}


def kind_of_class(layer: type) -> str:
    """Kind of a layer's class."""
    return next((KINDS[base] for base in layer.__mro__ if base in KINDS), snake(layer.__name__))


def kind_of(class_name: str, tensors: Collection[str] = ()) -> str:
    """Kind of a layer that a file has by the name of its class, in any case, and of its tensors."""
    name = snake(class_name)
    known = known_classes().get(name)
    return kind_of_class(known) if known is not None else _by_tensors(tensors) or name or "layer"


def known_classes() -> dict[str, type]:
    """Keras's layers, ours and the registered ones by their names in snake case."""
    own = [getattr(layers, name) for name in layers.__all__]
    found = [*_keras.registered().values(), *own, *vars(keras.layers).values(), *KINDS]
    return {snake(each.__name__): each for each in found if isinstance(each, type)}


@functools.cache
def snake(class_name: str) -> str:
    """``Conv2D`` to ``conv2d``, ``BatchNormalization`` to ``batch_normalization``, as Keras does it.

    In files of old the name of a registered class begins with that of its package, ``fr_models>``.
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name.rpartition(">")[2]))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _by_tensors(tensors: Collection[str]) -> str | None:
    roles = {ROLE_OF.get(name, name) for name in tensors}
    if len(roles) != len(tensors):
        return None
    if roles in ({"kernel"}, {"kernel", "bias"}):
        return "depthwise" if "depthwise_kernel" in tensors else "conv"
    if {"mean", "variance"} <= roles <= set(ROLES["bn"]):
        return "bn"
    return "prelu" if roles == {"alpha"} else None
