"""Other activations in a trained network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tensorflow import keras

from fr_models._activations import activation_layer, checked_activation, name_of
from fr_models._checks import is_number
from fr_models._types import Model
from fr_models.layers.hard_sigmoid import HardSigmoid
from fr_models.layers.hard_swish import HardSwish
from fr_models.layers.prelu import ChannelPReLU
from fr_models.surgery._calls import Layer, layers
from fr_models.surgery._rebuild import Copies, Laid, rebuild

# Layers whose argument `activation` comes last, so that it can be split off.
FUSED: tuple[Any, ...] = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
ACTIVATED: tuple[Any, ...] = (keras.layers.Activation, *FUSED)
NAMES = {
    keras.layers.PReLU: "prelu",
    keras.layers.LeakyReLU: "leaky_relu",
    keras.layers.ELU: "elu",
    HardSigmoid: "hard_sigmoid",
    HardSwish: "hard_swish",
}


def replace_activation(
    model: Model,
    source: str = "relu",
    target: str | Callable[[], Layer] = "prelu",
    slope: float | None = None,
) -> Model:
    """Put one activation in another's place: layers, and arguments of convolutions and dense layers.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    source : str
        What goes: ``prelu``, or an activation of Keras by name; ``relu6`` is not ``relu``.
    target : str or callable
        What comes: ``prelu`` (a slope a channel), an activation of Keras by name, or a function without
        arguments that makes a layer.
    slope : float, optional
        Of PReLU at first, 0.25 by default; 0 leaves a ReLU's outputs as they are.

    Returns
    -------
    keras.Model
        An activation that was called at several places is still one layer there, and one for each shape.

    Raises
    ------
    ValueError
        If an activation is unknown, or the model has no `source`.

    Examples
    --------
    >>> from fr_models import create
    >>> model = replace_activation(create("r18", activation="relu"), target="prelu")
    >>> type(model.get_layer("stem_act")).__name__
    'ChannelPReLU'
    """
    if source not in NAMES.values():
        source = checked_activation("source", source)
    if slope is not None and target != "prelu":
        raise ValueError(f"slope: only prelu has one, got target {target!r}")
    if slope is not None and not is_number(slope):
        raise ValueError(f"slope: expected a number, got {slope!r}")
    _make(target, slope, 4)
    found = Counter(name for name in map(_activation, layers(model)) if name)
    if not found[source]:
        has = ", ".join(f"{name} ({count})" for name, count in found.most_common() if name != "linear")
        raise ValueError(f"{model.name}: has no activation {source!r}, only {has or 'linear ones'}")

    def change(layer: Layer, copies: Copies) -> Laid | None:
        if _activation(layer) != source:
            return None
        if not isinstance(layer, FUSED):
            return _Activation(target, slope, layer, layer.name, copies)
        linear = copies.copy(layer, activation="linear")
        activation = _Activation(target, slope, layer, f"{layer.name}_act", copies)
        return lambda *args, **kwargs: activation(linear(*args, **kwargs))

    return rebuild(model, change)


class _Activation:
    """A new activation, which is one layer for each shape of inputs."""

    def __init__(self, target: Any, slope: float | None, like: Layer, name: str, copies: Copies) -> None:
        self._target, self._slope, self._like, self._name, self._copies = target, slope, like, name, copies
        self._by_shape: dict[tuple[int | None, ...], Layer] = {}

    def __call__(self, inputs: Any, **_: Any) -> Any:
        shape = tuple(inputs.shape)
        if shape not in self._by_shape:
            made = _make(self._target, self._slope, len(shape))
            keeps = self._name == self._like.name and not self._by_shape
            name = self._name if keeps else self._copies.name(self._name)
            self._by_shape[shape] = self._copies.fresh(made, self._like, name)
        return self._by_shape[shape](inputs)


def _activation(layer: Layer) -> str | None:
    """Return the name of what a layer is or ends in, if it has one."""
    if isinstance(layer, keras.layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        if layer.max_value is None:
            return "relu" if plain else None
        return "relu6" if plain and float(layer.max_value) == 6.0 else None
    for kind, name in NAMES.items():
        if isinstance(layer, kind):
            return name
    return name_of(layer.activation) if isinstance(layer, ACTIVATED) else None


def _make(target: Any, slope: float | None, rank: int) -> Layer:
    if target == "prelu":
        initial = keras.initializers.Constant(0.25 if slope is None else slope)
        return ChannelPReLU(alpha_initializer=initial, shared_axes=list(range(1, rank - 1)) or None)
    if not callable(target):
        return activation_layer(checked_activation("target", target))
    try:
        made = target()
    except TypeError as problem:
        raise ValueError(
            f"target: expected a function without arguments that makes a layer, got {problem}"
        ) from problem
    if not isinstance(made, keras.layers.Layer):
        raise ValueError(f"target: expected a function that makes a layer, got {made!r} of it")
    return made
