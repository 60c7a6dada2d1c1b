"""From a name to a Keras model: backbone, head and weights brought together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow import keras

from fr_models._activations import checked_activation
from fr_models._builder import Builder
from fr_models._checks import checked_bool, existing_file, is_whole
from fr_models._options import OF_BATCH_NORM, Options
from fr_models._registry import Card, find
from fr_models._table import rows
from fr_models._types import Model
from fr_models.heads import Head, checked_head
from fr_models.layers.feature_norm import FeatureNorm
from fr_models.weights.loading import load_weights

INPUT_SHAPE = (112, 112, 3)


def create(
    name: str | Model,
    embedding_dim: int = 512,
    head: str | Head = "GDC",
    input_shape: tuple[int, int, int] = INPUT_SHAPE,
    dropout: float = 0.0,
    activation: str | None = None,
    use_se: bool | None = None,
    use_max_pool: bool | None = None,
    bn_momentum: float | None = None,
    bn_epsilon: float | None = None,
    padding: str | None = None,
    pointwise: int = 0,
    with_norm: bool = False,
    weights: str | Path | None = None,
) -> Model:
    """Build a face-embedding model.

    Parameters
    ----------
    name : str or keras.Model
        One of `list_models`, or a model of your own that maps images to a feature map ``[B, H, W, C]``; its
        weights stay as they are, and `input_shape` and the backbone's options are then its own: others than
        these are refused.
    embedding_dim : int
        ``D``.
    head : str or Head
        What comes between feature map and embedding.
    input_shape : tuple of int
        Height, width and channels.
    dropout : float
        Share of features that training leaves out in the head.
    activation, use_se, use_max_pool, bn_momentum, bn_epsilon, padding
        In place of the backbone's own `Options`, where it has them. Those of batch normalisation hold for the
        head, and for the backbone where it has any.
    pointwise : int
        Channels of a 1x1 convolution with BN and activation before the head; 0 for none, -1 for half of the
        map's.
    with_norm : bool
        Whether the model has a second output, ``float32[B]``: the embedding's length.
    weights : str or Path, optional
        A file, as `load_weights` takes it, in place of random weights.

    Returns
    -------
    keras.Model
        From images ``[B, H, W, 3]``, preprocessed, to embeddings ``float32[B, D]``, not normalised. The
        backbone and head follow the policy of mixed precision in force.

    Raises
    ------
    ValueError
        If the name is unknown, an option is not one of this model's, the input is too small, or the weights
        are another model's.

    Examples
    --------
    >>> model = create("r18", embedding_dim=256, head="GDC")
    >>> model.output_shape
    (None, 256)
    """
    laid = checked_head(head)
    laid.check(embedding_dim, dropout, pointwise)
    checked_bool("with_norm", with_norm)
    if weights is not None:
        existing_file("weights", weights)
    if activation is not None:
        activation = checked_activation("activation", activation)
    chosen = {
        "activation": activation,
        "use_se": use_se,
        "use_max_pool": use_max_pool,
        "bn_momentum": bn_momentum,
        "bn_epsilon": bn_epsilon,
        "padding": padding,
    }
    if isinstance(name, keras.Model):
        stem, build, inputs, x = _own(name, input_shape, chosen)
    else:
        stem, build, inputs, x = _registered(name, input_shape, chosen)
    embedding = laid(x, build.for_head(), embedding_dim, dropout, pointwise)
    outputs = [embedding, FeatureNorm(name="embedding_norm")(embedding)] if with_norm else embedding
    model = keras.Model(inputs, outputs, name=stem)
    _check_batch_norm(model, laid, chosen)
    if weights is not None:
        load_weights(model, weights)
    return model


@dataclass(frozen=True)
class Description:
    """A model's card, with what its default form costs, its own activation included: PReLU in IResNets.

    Attributes
    ----------
    card : Card
        What the registry knows.
    parameters : int
        With the default head, statistics of batch normalisation included.
    multiply_adds : int
        Of one image of 112 x 112.
    """

    card: Card
    parameters: int
    multiply_adds: int


def describe(name: str) -> Description:
    """Describe a model: paper, options, parameters, multiply-adds and preprocessing.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    card, _ = find(name)
    row = rows()[name]
    return Description(card, row.parameters, row.multiply_adds)


def _registered(
    name: str, input_shape: tuple[int, int, int], chosen: dict[str, Any]
) -> tuple[str, Builder, Any, Any]:
    card, backbone = find(name)
    if not _is_image(input_shape, card.least_size):
        raise ValueError(
            f"{name}: expected an input_shape of height, width, channels from {card.least_size} pixels on, "
            f"got {input_shape!r}"
        )
    build = Builder(card.options.with_chosen(name, **chosen))
    inputs = keras.Input(input_shape, name="image")
    return name, build, inputs, backbone(inputs, build)


def _is_image(shape: Any, least_size: int) -> bool:
    if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(map(is_whole, shape)):
        return False
    height, width, channels = shape
    return min(height, width) >= least_size and channels >= 1


def _own(
    model: Model, input_shape: tuple[int, int, int], chosen: dict[str, Any]
) -> tuple[str, Builder, Any, Any]:
    inputs, outputs = (getattr(model, ends, None) or [] for ends in ("inputs", "outputs"))
    shapes = [tuple(output.shape) for output in outputs]  # subclassed ones have none
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(f"{model.name}: expected one feature map [B, H, W, C], got {shapes or 'no graph'}")
    if len(inputs) != 1:
        raise ValueError(f"{model.name}: expected one input, got {len(inputs)}")
    own_shape = tuple(inputs[0].shape[1:])
    chosen_shape = tuple(input_shape) if isinstance(input_shape, list) else input_shape
    if chosen_shape not in (own_shape, INPUT_SHAPE):
        raise ValueError(
            f"{model.name}: input_shape is the model's own, {own_shape}, and cannot be chosen, got "
            f"{input_shape!r}"
        )
    if None in shapes[0][1:]:
        raise ValueError(
            f"{model.name}: expected a feature map of known height, width and channels, got {shapes[0]}"
        )
    for option in ("activation", "use_se", "use_max_pool", "padding"):
        if chosen[option] is not None:
            raise ValueError(f"{model.name}: {option} is the model's own and cannot be chosen")
    build = Builder(Options().with_chosen(model.name, **chosen))
    return model.name, build, inputs[0], outputs[0]


def _check_batch_norm(model: Model, head: Head, chosen: dict[str, Any]) -> None:
    wanted = [name for name in OF_BATCH_NORM if chosen[name] is not None]
    if wanted and not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers):
        raise ValueError(
            f"{model.name}: {wanted[0]} cannot be chosen: neither backbone nor head {head.kind} has batch "
            "normalisation"
        )
