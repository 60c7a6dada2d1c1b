"""Stages: a training is a list of them, each with a loss, an optimizer and a number of epochs.

Names in snake_case are ours. The keys of Keras_insightface's schedules are read too (`REFERENCE_KEYS`), and a
stage may mix both, but not give one setting by both. What a stage does not say of loss and optimizer is as in
the stage before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fr_models.train._settings import (
    Settings,
    a_mapping,
    boolean,
    list_of,
    named,
    nearest,
    number,
    one_of,
    whole,
)
from fr_models.train.schedules import checked_schedule

KINDS = ("softmax", "arcface", "triplet", "center", "distill")

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

Loss = named("name")


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
        ``SGD``, ``SGDW``, ``Adam`` or ``AdamW``, or its ``name`` with arguments
        (`fr_models.train.optimizers`). By default that of the stage before, begun anew.
    learning_rate : float or mapping, optional
        A schedule (`fr_models.train.schedules`) whose epochs count from the stage's first. By default the
        recipe's, whose epochs count from the training's first.
    bottleneck_only : bool
        Train the head of the backbone and the classes, freeze all before; reference: ``bottleneckOnly``. Its
        epochs do not count for the recipe's schedule, as in the reference.
    sub_centers : int
        Rows a class; reference: ``lossTopK``.
    loss_weight : float
        Of the loss; reference: ``lossWeight``.
    kind : {"softmax", "arcface", "triplet", "center", "distill"}, optional
        What the loss is computed from: logits of the classes, their cosines, or embeddings without classes.
        By default what the loss is made for; reference: ``type``.
    center_loss, triplet, distill : float or mapping, optional
        Weight of this loss of the embeddings beside ``loss``, or its ``weight`` with a ``name`` and
        arguments; reference: ``centerloss``, ``triplet``, ``distill``.
    alpha : float
        Margin of ``triplet``; reference: ``alpha`` or ``tripletAlpha``.
    embedding_losses : list of mappings
        Further losses of the embeddings, each with ``name``, ``weight`` and arguments; reference:
        ``embLossTypes`` with ``embLossWeights``.
    partial_fc : float, optional
        Share of the classes that take part in a step (`fr_losses.PartialFC`).
    head : mapping
        Further arguments of `fr_losses.FusedMarginSoftmax` or `fr_losses.PartialFC`.

    Raises
    ------
    ValueError
        If a setting is not as expected; the message begins with its key.

    Examples
    --------
    >>> Stage.from_dict({"epoch": 5, "loss": "ArcfaceLoss", "triplet": 64, "alpha": 0.3}).triplet
    {'weight': 64.0}
    >>> Stage(epochs=5, loss="ArcFace", triplet=64).loss
    {'name': 'ArcFace'}
    """

    epochs: Annotated[int, whole(1)]
    loss: Annotated[Any, Loss] = None
    optimizer: Annotated[Any, Loss] = None
    learning_rate: Annotated[Any, checked_schedule] = None
    bottleneck_only: Annotated[bool, boolean] = False
    sub_centers: Annotated[int, whole(1)] = 1
    loss_weight: Annotated[float, number(0)] = 1.0
    kind: Annotated[str | None, one_of(*KINDS)] = None
    center_loss: Annotated[Any, _weighted] = None
    triplet: Annotated[Any, _weighted] = None
    distill: Annotated[Any, _weighted] = None
    alpha: Annotated[float, number(0)] = 0.35
    embedding_losses: Annotated[Any, list_of(_named_and_weighted)] = ()
    partial_fc: Annotated[float | None, number(0, 1, above=True)] = None
    head: Annotated[Any, a_mapping] = None

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


def _weighted(value: Any) -> dict[str, Any]:
    """Keep a loss's weight with its arguments."""
    if not isinstance(value, Mapping):
        return {"weight": number(0)(value)}
    try:
        return {**a_mapping(value), "weight": number(0)(value.get("weight", 1.0))}
    except ValueError as error:
        raise ValueError(f"weight: {error}") from None


def _named_and_weighted(value: Any) -> dict[str, Any]:
    return _weighted(Loss(value))


def _embedding_losses(embLossTypes: Any = (), embLossWeights: Any = 1) -> list[dict[str, Any]]:  # noqa: N803
    """Bring the reference's two lists together."""
    names = list(embLossTypes) if isinstance(embLossTypes, list | tuple) else [embLossTypes]
    several = isinstance(embLossWeights, list | tuple)
    weights = list(embLossWeights) if several else [embLossWeights] * len(names)
    if len(names) != len(weights):
        raise ValueError(
            f"embLossWeights: expected one for each of {len(names)} embLossTypes, got {len(weights)}"
        )
    return [{**Loss(name), "weight": weight} for name, weight in zip(names, weights, strict=True)]
