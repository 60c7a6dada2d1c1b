"""Other settings of batch normalisation."""

from __future__ import annotations

from tensorflow import keras

from fr_models._checks import checked_above_0, checked_share
from fr_models._types import Model
from fr_models.surgery._calls import Layer, layers
from fr_models.surgery._rebuild import Copies, Laid, rebuild


def set_batch_norm(model: Model, momentum: float | None = None, epsilon: float | None = None) -> Model:
    """Change momentum or epsilon of every batch normalisation.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    momentum : float, optional
        Share of the old statistics that stays in each step. Inference does not know it.
    epsilon : float, optional
        Added to variances. It changes outputs, by as much as it differs from the old one beside the
        variances.

    Returns
    -------
    keras.Model
        With the same weights.

    Raises
    ------
    ValueError
        If neither is given, one is out of range, or the model has no batch normalisation.

    Examples
    --------
    >>> from fr_models import create
    >>> set_batch_norm(create("r18"), momentum=0.95).get_layer("stem_bn").momentum
    0.95
    """
    if momentum is None and epsilon is None:
        raise ValueError("momentum, epsilon: expected one of them, got neither")
    if momentum is not None:
        checked_share("momentum", momentum)
    if epsilon is not None:
        checked_above_0("epsilon", epsilon)
    if not any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers(model)):
        raise ValueError(f"{model.name}: has no BatchNormalization")
    given = {"momentum": momentum, "epsilon": epsilon}
    settings = {name: value for name, value in given.items() if value is not None}

    def change(layer: Layer, copies: Copies) -> Laid | None:
        return copies.copy(layer, **settings) if isinstance(layer, keras.layers.BatchNormalization) else None

    return rebuild(model, change)
