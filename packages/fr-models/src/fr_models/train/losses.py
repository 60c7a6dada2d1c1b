"""Losses by name, with arguments: the classes of fr_losses, and what Keras_insightface calls them.

A name of the reference stands for the form that the reference computes; arguments are then read by its names,
or by ours. The tables need no TensorFlow, so that recipes are checked without.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fr_models._settings import named, nearest

__all__ = [
    "CENTERS",
    "DISTILLATIONS",
    "KNOWN",
    "MARGINS",
    "TRIPLETS",
    "checked_loss",
    "class_of",
    "kind_of",
    "make_loss",
]


@dataclass(frozen=True)
class _Known:
    """A loss: the kind of stage it is for, its class, and what a name of the reference changes of it."""

    kind: str
    loss: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


MARGINS = (
    "NormSoftmax",
    "MarginSoftmax",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "SphereFace",
    "SphereFaceR",
    "CurricularFace",
    "AirFace",
    "AdaCos",
    "MagFace",
    "AdaFace",
    "ElasticFace",
    "UniFace",
)
TRIPLETS = (
    "BatchHardTriplet",
    "AutoMarginTriplet",
    "BatchAllTriplet",
    "SemiHardTriplet",
    "BatchAllPairs",
    "MultiSimilarity",
    "SupervisedContrastive",
)
CENTERS = ("CenterLoss", "CosineCenterLoss")
DISTILLATIONS = ("CosineDistillation", "EuclideanDistillation", "ClassCosineDistillation", "FeatureMatching")
SOFTMAX = "Softmax"

_MARGIN = {"alpha": "margin"}
_EUCLIDEAN = {"distance": "squared_euclidean"}

KNOWN: dict[str, _Known] = {
    SOFTMAX: _Known("softmax", SOFTMAX),
    **{name: _Known("arcface", name) for name in MARGINS},
    **{name: _Known("triplet", name) for name in TRIPLETS},
    **{name: _Known("center", name) for name in CENTERS},
    **{name: _Known("distill", name) for name in DISTILLATIONS},
    # Keras_insightface
    "softmax": _Known("softmax", SOFTMAX),
    "categorical_crossentropy": _Known("softmax", SOFTMAX),
    "CategoricalCrossentropy": _Known("softmax", SOFTMAX),
    "arcface": _Known("arcface", "ArcFace", {"past_pi": "reflect"}),
    "ArcfaceLoss": _Known(
        "arcface",
        "CombinedMargin",
        {"past_pi": "reflect"},
        {
            "margin1": "multiplier",
            "margin2": "angular_margin_rad",
            "margin": "angular_margin_rad",
            "margin3": "additive_margin",
        },
    ),
    "ArcfaceLossSimple": _Known("arcface", "ArcFace", {"past_pi": "reflect"}),
    "CurricularFaceLoss": _Known("arcface", "CurricularFace", {"past_pi": "reflect"}),
    "AirFaceLoss": _Known("arcface", "AirFace", {"others": "cosine"}),
    "CosFaceLoss": _Known("arcface", "CosFace"),
    "MagFaceLoss": _Known(
        "arcface",
        "MagFace",
        {"past_pi": "minimum"},
        {
            "min_feature_norm": "min_norm",
            "max_feature_norm": "max_norm",
            "regularizer_loss_lambda": "regularizer",
        },
    ),
    "AdaFaceLoss": _Known(
        "arcface", "AdaFace", {}, {"margin_alpha": "concentration", "mean_std_alpha": "momentum"}
    ),
    "AdaCosLoss": _Known("arcface", "AdaCos", {}, {"max_median": "max_median_rad"}),
    "triplet": _Known("triplet", "BatchHardTriplet", {}, _MARGIN),
    "BatchHardTripletLoss": _Known("triplet", "BatchHardTriplet", {}, _MARGIN),
    "ArcBatchHardTripletLoss": _Known("triplet", "BatchHardTriplet", {"margin_on": "angle"}, _MARGIN),
    "BatchHardTripletLossEuclidean": _Known("triplet", "BatchHardTriplet", _EUCLIDEAN, _MARGIN),
    "BatchHardTripletLossEuclideanAutoAlpha": _Known(
        "triplet", "AutoMarginTriplet", {}, {"alpha": "share", "init_auto_alpha": "margin"}
    ),
    "BatchAllTripletLoss": _Known("triplet", "BatchAllPairs", {}, _MARGIN),
    "center": _Known("center", "CenterLoss"),
    "centerloss": _Known("center", "CenterLoss"),
    "CenterLossCosine": _Known("center", "CosineCenterLoss"),
    "distill": _Known("distill", "CosineDistillation"),
    "distiller_loss_cosine": _Known("distill", "CosineDistillation"),
    "distiller_loss_euclidean": _Known("distill", "EuclideanDistillation"),
    "DistillKLDivergenceLoss": _Known("distill", "ClassCosineDistillation", {"least_probability": 1e-7}),
}


def checked_loss(value: Any) -> dict[str, Any]:
    """Expect a loss by name, or its ``name`` with arguments; return the mapping.

    Raises
    ------
    ValueError
        If there is no such loss; the nearest are named.

    Examples
    --------
    >>> checked_loss("ArcFace")
    {'name': 'ArcFace'}
    """
    settings: dict[str, Any] = named("name")(value)
    if settings["name"] not in KNOWN:
        raise ValueError(f"name: there is no loss {settings['name']!r}, {nearest(settings['name'], KNOWN)}")
    return settings


def kind_of(name: str) -> str:
    """Return what a loss is computed from: one of `fr_models.train.stages.KINDS`."""
    return KNOWN[name].kind


def class_of(name: str) -> str:
    """Return the name of the class of fr_losses that a name stands for."""
    return KNOWN[name].loss


def make_loss(settings: Mapping[str, Any], **available: Any) -> Any:
    """Build a loss of fr_losses.

    Parameters
    ----------
    settings : mapping
        ``name`` and arguments; a ``weight`` among them is the stage's.
    **available
        What its constructor may want besides, such as ``classes`` and ``embedding_dim``: those that it has no
        argument for, and that are given in the settings, are left out.

    Raises
    ------
    ValueError
        If an argument is none of the loss's, or out of its range.

    Examples
    --------
    >>> make_loss({"name": "ArcfaceLoss", "margin2": 0.3}).angular_margin_rad
    0.3
    """
    import fr_losses

    name = settings["name"]
    known = KNOWN[name]
    loss = getattr(fr_losses, known.loss)
    given = {
        known.renamed.get(key, key): value for key, value in settings.items() if key not in ("name", "weight")
    }
    allowed = _arguments(loss)
    for key in given:
        if key not in allowed:
            raise ValueError(f"{key}: {name} has no such argument, {nearest(key, allowed)}")
    wanted = {key: value for key, value in available.items() if key in allowed}
    try:
        return loss(**{**wanted, **known.fixed, **given})
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None


def _arguments(loss: type) -> list[str]:
    """Names of a constructor's arguments, and of those of its bases that it hands on."""
    names: dict[str, None] = {}
    for base in loss.__mro__:
        if base.__module__.startswith("fr_losses") and "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
            names |= {
                p.name: None for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
            }
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return list(names)
