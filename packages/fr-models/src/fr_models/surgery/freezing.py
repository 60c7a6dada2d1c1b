"""Training a part of a network only."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras

from fr_models._types import Model
from fr_models.heads import is_of_head
from fr_models.surgery._calls import Layer, layers
from fr_models.surgery._rebuild import rebuild


def freeze(model: Model, trainable: str | Sequence[str] = "bottleneck_only") -> Model:
    """Freeze all layers but some; a frozen batch normalisation uses its moving statistics in training too.

    Parameters
    ----------
    model : keras.Model
        A functional one.
    trainable : str or list of str
        ``bottleneck_only`` for the head that `fr_models.create` lays on a backbone; or names of the layers
        that stay trainable, in a model of other origin.

    Returns
    -------
    keras.Model
        With the same outputs in inference.

    Raises
    ------
    ValueError
        If the model has no such layer.

    Examples
    --------
    >>> from fr_models import create
    >>> model = freeze(create("r18"), "bottleneck_only")
    >>> [layer.name for layer in model.layers if layer.trainable_weights]
    ['head_depthwise', 'head_depthwise_bn', 'head_dense', 'pre_embedding']
    """
    new = rebuild(model)
    every = [layer for layer in layers(new) if isinstance(layer, keras.layers.Layer)]
    if trainable == "bottleneck_only":
        chosen = {layer.name for layer in every if is_of_head(layer.name)}
        if not chosen:
            raise ValueError(f"{model.name}: has no head of fr_models; name the layers that stay trainable")
    elif isinstance(trainable, str):
        raise ValueError(f"trainable: expected bottleneck_only or names of layers, got {trainable!r}")
    else:
        chosen = set(trainable)
        if not chosen:
            raise ValueError("trainable: expected bottleneck_only or names of layers, got none")
        if unknown := chosen - {layer.name for layer in every}:
            raise ValueError(f"{model.name}: has no layer {', '.join(sorted(unknown))}")
    _set(new, True)
    for layer in every:
        _set(layer, layer.name in chosen)
    return new


def unfreeze(model: Model) -> Model:
    """Make every layer trainable.

    Examples
    --------
    >>> from fr_models import create
    >>> model = create("r18")
    >>> len(unfreeze(freeze(model)).trainable_weights) == len(model.trainable_weights)
    True
    """
    new = rebuild(model)
    _set(new, True)
    return new


def _set(layer: Layer, trainable: bool) -> None:
    """Set the flag of a layer and of each in it, which Keras 3 leaves as it is where the layer has it."""
    for part in layer._flatten_layers():
        part.trainable = trainable
