"""Stages: a training is a list of them, each with a loss, an optimizer and a number of epochs.

Names in snake_case are ours. The keys of Keras_insightface's schedules are read too (`REFERENCE_KEYS`), and a
stage may mix both, but not give one setting by both. What a stage does not say of loss and optimizer is as in
the stage before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fr_models._settings import (
    Check,
    Settings,
    a_mapping,
    boolean,
    list_of,
    mapping_of,
    nearest,
    number,
    one_of,
    text,
    whole,
    with_key,
)
from fr_models.train.losses import KNOWN, checked_loss, kind_of
from fr_models.train.optimizers import checked_optimizer
from fr_models.train.schedules import checked_schedule

__all__ = ["KINDS", "REFERENCE_KEYS", "Stage"]

KINDS = ("softmax", "arcface", "triplet", "center", "distill")
PROTOTYPES: dict[str, Check] = {"weight": number(), "start": whole(0), "max_age": whole(0)}
HEAD: dict[str, Check] = {
    "prototypes": mapping_of(PROTOTYPES),
    "backend": text,
    "products": text,
    "skip_below": number(),
    "conflict_above": number(-1, 1, above=True, below=True),
    "seed": whole(0),
}

REFERENCE_KEYS = {
    "epoch": "epochs",
    "bottleneckOnly": "bottleneck_only",
    "lossTopK": "sub_centers",
    "lossWeight": "loss_weight",
    "type": "kind",
    "centerloss": "center_loss",
    "tripletAlpha": "alpha",
    "embLossTypes": "embedding_losses",
    "embLossWeights": "embedding_losses",
}


@dataclass(frozen=True)
class Stage(Settings):
    """A part of a training with one loss and one optimizer.

    Attributes
    ----------
    epochs : int
        How many; reference: ``epoch``.
    loss : str or mapping, optional
        A class of fr_losses by name, or its ``name`` with arguments: ``{name: ArcFace, margin: 0.5}``. Names
        of Keras_insightface's losses are read too (`fr_models.train.losses`). By default that of the stage
        before.
    optimizer : str or mapping, optional
        ``SGD``, ``SGDW``, ``Adam``, ``AdamW`` or ``Muon``, or its ``name`` with arguments
        (`fr_models.train.optimizers`). By default that of the stage before, begun anew; at first
        Adam, as in the reference.
    learning_rate : float or mapping, optional
        A schedule (`fr_models.train.schedules`) whose epochs count from the stage's first. By default the
        recipe's, whose epochs count from the training's first.
    bottleneck_only : bool
        Train the head of the backbone and the classes, freeze all before; reference: ``bottleneckOnly``. Its
        epochs do not count for the recipe's schedule, as in the reference.
    freeze_batch_norm : bool
        Normalise by the moving statistics, as in inference, and leave these, scales and offsets as they are.
    sub_centers : int
        Rows a class; reference: ``lossTopK``.
    loss_weight : float
        Of the loss; reference: ``lossWeight``.
    kind : {"softmax", "arcface", "triplet", "center", "distill"}, optional
        What the loss is computed from: logits of the classes, their cosines, or embeddings without classes.
        Nothing needs it, since each loss has one; reference: ``type``.
    center_loss, triplet, distill : float or mapping, optional
        Weight of this loss of the embeddings beside ``loss``, or its ``weight`` with a ``name`` and
        arguments; reference: ``centerloss``, ``triplet``, ``distill``.
    alpha : float
        Margin of triplet losses that are given none: of ``triplet``, ``loss`` and ``embedding_losses``.
        Reference: ``alpha`` or ``tripletAlpha``. `fr_losses.AutoMarginTriplet` finds its own.
    embedding_losses : list of mappings
        Further losses of the embeddings, each with ``name``, ``weight`` and arguments; reference:
        ``embLossTypes`` with ``embLossWeights``.
    partial_fc : float, optional
        Share of the classes that take part in a step (`fr_losses.PartialFC`), enough for those of a batch.
    head : mapping
        Further arguments of `fr_losses.FusedMarginSoftmax` or `fr_losses.PartialFC`; ``prototypes`` are the
        arguments of `fr_losses.VariationalPrototypes`.

    Raises
    ------
    ValueError
        If a setting is not as expected; the message begins with its key.

    Examples
    --------
    >>> Stage.from_dict({"epoch": 5, "loss": "ArcfaceLoss", "triplet": 64, "alpha": 0.3}).triplet
    {'name': 'BatchHardTriplet', 'weight': 64.0}
    >>> Stage(epochs=5, loss="ArcFace", triplet=64).loss
    {'name': 'ArcFace'}
    """

    epochs: Annotated[int, whole(1)]
    loss: Annotated[Any, checked_loss] = None
    optimizer: Annotated[Any, checked_optimizer] = None
    learning_rate: Annotated[Any, checked_schedule] = None
    bottleneck_only: Annotated[bool, boolean] = False
    freeze_batch_norm: Annotated[bool, boolean] = False
    sub_centers: Annotated[int, whole(1)] = 1
    loss_weight: Annotated[float, number(0)] = 1.0
    kind: Annotated[str | None, one_of(*KINDS)] = None
    center_loss: Annotated[Any, _beside("center", "CenterLoss")] = None
    triplet: Annotated[Any, _beside("triplet", "BatchHardTriplet")] = None
    distill: Annotated[Any, _beside("distill", "CosineDistillation")] = None
    alpha: Annotated[float, number(0)] = 0.35
    embedding_losses: Annotated[Any, list_of(_weighted)] = ()
    partial_fc: Annotated[float | None, number(0, 1, above=True)] = None
    head: Annotated[Any, mapping_of(HEAD)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss is None:
            return
        if "weight" in self.loss:
            raise ValueError("loss.weight: no such argument, did you mean loss_weight of the stage?")
        kind = kind_of(self.loss["name"])
        if self.kind not in (None, kind):
            raise ValueError(f"kind: expected {kind}, that of {self.loss['name']}, got {self.kind!r}")
        if kind != "arcface":
            for name in ("sub_centers", "partial_fc", "head"):
                if getattr(self, name) not in (None, 1):
                    raise ValueError(f"{name}: expected a loss of cosines, got {self.loss['name']}")

    @property
    def has_classes(self) -> bool:
        """Whether the loss is computed from rows of classes."""
        return kind_of(self.loss["name"]) in ("softmax", "arcface")

    @property
    def distills(self) -> bool:
        """Whether a loss wants a teacher."""
        return self.distilling_key is not None

    @property
    def distilling_key(self) -> str | None:
        """The key of the first loss that wants a teacher."""
        further = {f"embedding_losses.{place}": loss for place, loss in enumerate(self.embedding_losses)}
        losses = {"distill": self.distill, "loss": self.loss, **further}
        wanting = (key for key, loss in losses.items() if loss and kind_of(loss["name"]) == "distill")
        return next(wanting, None)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Build from a mapping with our keys or those of Keras_insightface.

        Raises
        ------
        ValueError
            If a setting is given twice, by its plain key and by the reference's, or as in `Settings`.
        """
        settings = a_mapping(settings)
        taken: dict[str, Any] = {}
        lists = {key: settings.pop(key) for key in ("embLossTypes", "embLossWeights") if key in settings}
        if lists and "embedding_losses" in settings:
            raise ValueError(f"embedding_losses: given twice, also as {' and '.join(lists)}")
        if lists:
            taken["embedding_losses"] = _embedding_losses(**lists)
        for key, value in settings.items():
            name = REFERENCE_KEYS.get(key, key)
            if name in taken:
                raise ValueError(f"{name}: given twice, also by the reference's key")
            if name not in cls.__dataclass_fields__:
                raise ValueError(
                    f"{key}: no such key, {nearest(key, [*cls.__dataclass_fields__, *REFERENCE_KEYS])}"
                )
            taken[name] = value
        return super().from_dict(taken)


def _beside(kind: str, default: str) -> Check:
    """Expect the weight of a loss, or a mapping with it, for a loss of one kind."""

    def check(value: Any) -> dict[str, Any]:
        settings = dict(value) if isinstance(value, Mapping) else {"weight": value}
        checked = _weighted({"name": default, **settings})
        if kind_of(checked["name"]) != kind:
            known = ", ".join(name for name in KNOWN if kind_of(name) == kind)
            raise ValueError(f"name: expected one of {known}, got {checked['name']!r}")
        return checked

    return check


def _weighted(value: Any) -> dict[str, Any]:
    """Expect a loss; keep its weight with its arguments."""
    settings = checked_loss(value)
    return {**settings, "weight": with_key("weight", number(0), settings.get("weight", 1.0))}


def _embedding_losses(embLossTypes: Any = (), embLossWeights: Any = 1) -> list[dict[str, Any]]:  # noqa: N803
    """Bring the reference's two lists together."""
    names = list(embLossTypes) if isinstance(embLossTypes, list | tuple) else [embLossTypes]
    several = isinstance(embLossWeights, list | tuple)
    weights = list(embLossWeights) if several else [embLossWeights] * len(names)
    if len(names) != len(weights):
        raise ValueError(
            f"embLossWeights: expected one for each of {len(names)} embLossTypes, got {len(weights)}"
        )
    return [{**checked_loss(name), "weight": weight} for name, weight in zip(names, weights, strict=True)]
