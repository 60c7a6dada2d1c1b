"""Weight decay as a loss."""

from __future__ import annotations

from tensorflow import keras

from fr_models._checks import is_number
from fr_models._types import Model
from fr_models.surgery._calls import Layer, layers
from fr_models.surgery._rebuild import Copies, Laid, rebuild

KERNELS = ("kernel_regularizer", "depthwise_regularizer", "pointwise_regularizer")
BATCH_NORM = ("gamma_regularizer", "beta_regularizer", "alpha_regularizer")
BIASES = ("bias_regularizer",)


def add_l2(
    model: Model,
    weight_decay: float,
    to_batch_norm: bool = False,
    to_bias: bool = False,
    mxnet_equivalent: bool = True,
) -> Model:
    """Punish the squares of kernels, in place of what regularised them before.

    Kernels are those of dense layers, of `fr_models.layers.FourierPosition` and of convolutions: plain,
    depthwise and separable. Tables of positions, scales of layers and temperatures of attention stay.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    weight_decay : float
        MXNet's ``wd``, whose step under SGD is ``w -= lr (g + wd w)``; 0 takes L2 away.
    to_batch_norm : bool
        Whether scales and offsets of batch normalisation, and slopes of PReLU, are punished too.
    to_bias : bool
        Whether biases are.
    mxnet_equivalent : bool
        Whether the loss is ``wd / 2 sum w^2``, whose gradient is ``wd w``; else ``wd sum w^2``.

    Returns
    -------
    keras.Model
        With the same outputs.

    Raises
    ------
    ValueError
        If `weight_decay` is negative, or the model has no such weights.

    References
    ----------
    Keras_insightface, ``add_l2_regularizer_2_model``, which halves ``wd`` too.

    Examples
    --------
    >>> from fr_models import create
    >>> float(sum(create("r18", embedding_dim=64).losses))
    0.0
    >>> float(sum(add_l2(create("r18", embedding_dim=64), 5e-4).losses)) > 0
    True
    """
    if not is_number(weight_decay) or not 0.0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay: expected 0 or more, got {weight_decay!r}")
    factor = weight_decay / 2 if mxnet_equivalent else weight_decay
    regularizer = keras.regularizers.serialize(keras.regularizers.L2(factor)) if factor else None
    wanted = KERNELS + (BATCH_NORM if to_batch_norm else ()) + (BIASES if to_bias else ())
    if not any(_regularizers(layer, wanted) for layer in layers(model)):
        raise ValueError(f"{model.name}: has no weights to regularise")

    def change(layer: Layer, copies: Copies) -> Laid | None:
        return copies.copy(layer, **dict.fromkeys(_regularizers(layer, wanted), regularizer))

    return rebuild(model, change)


def _regularizers(layer: Layer, wanted: tuple[str, ...]) -> list[str]:
    """Return those of a layer's settings that are wanted."""
    if not isinstance(layer, keras.layers.Layer):
        return []
    settings = layer.get_config()
    if "pointwise_regularizer" in settings:  # Keras 2 lists one of a kernel that separable layers have not
        settings.pop("kernel_regularizer", None)
    return [name for name in wanted if name in settings]
