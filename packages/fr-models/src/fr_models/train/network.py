"""From a recipe's model to the network that is trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tensorflow import keras

from fr_models import surgery
from fr_models._create import create
from fr_models._settings import called, with_key
from fr_models.heads import Head
from fr_models.train.recipe import Recipe
from fr_models.train.sections import Model

__all__ = ["build_backbone", "loaded"]

CREATED = (
    "embedding_dim",
    "input_shape",
    "dropout",
    "activation",
    "use_se",
    "use_max_pool",
    "bn_momentum",
    "bn_epsilon",
    "padding",
    "pointwise",
    "weights",
)


def build_backbone(recipe: Recipe) -> Any:
    """Build the network that a recipe trains.

    Parameters
    ----------
    recipe : Recipe
        Its ``model`` and ``precision`` are what counts.

    Returns
    -------
    keras.Model
        From images to embeddings ``[B, D]``, not compiled. Random weights follow the global seed.

    Raises
    ------
    ValueError
        If there is no such network or file; the message names the key.

    Examples
    --------
    >>> model, stages = {"name": "mobilefacenet", "embedding_dim": 128}, [{"epochs": 1, "loss": "ArcFace"}]
    >>> recipe = Recipe.from_dict({"model": model, "stages": stages})
    >>> build_backbone(recipe).output_shape
    (None, 128)
    """
    backbone = with_key("model", _created, recipe.model)
    if recipe.precision != "float32":
        backbone = surgery.to_policy(backbone, recipe.precision)
    return backbone


def loaded(path: Path) -> Any:
    """Load a network from a ``.keras`` file.

    Raises
    ------
    ValueError
        If it is none, or damaged.
    """
    if not path.is_file() or path.suffix != ".keras":
        raise ValueError(f"expected a .keras file, got {str(path)!r}")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file raises whatever its bytes spell
        raise ValueError(f"expected a network that Keras can load, got {path}: {error}") from None


def _created(settings: Model) -> Any:
    if settings.file is not None:
        network = with_key("file", loaded, Path(settings.file))
        takes = tuple(network.input_shape[1:])
        if any(size not in (None, wanted) for size, wanted in zip(takes, settings.input_shape, strict=False)):
            wanted = list(settings.input_shape)
            raise ValueError(f"input_shape: {settings.file} takes images of {list(takes)}, got {wanted}")
        if settings.dropout:
            network = surgery.set_dropout(network, settings.dropout)
    else:
        head = with_key("head", partial(called, Head), settings.head)
        network = create(settings.name, head=head, **{name: getattr(settings, name) for name in CREATED})
    if settings.stochastic_depth is not None:
        network = surgery.add_stochastic_depth(network, (1.0, settings.stochastic_depth))
    if settings.l2:
        network = surgery.add_l2(network, settings.l2, to_batch_norm=settings.l2_batch_norm)
    return network
