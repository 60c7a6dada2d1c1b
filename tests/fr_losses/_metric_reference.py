"""Losses of embeddings once more, in float64 plain loops from the papers' formulas, and every loss."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from fr_losses import center, contrastive, embedding_loss, triplet

ROW, COLUMN = np.mgrid[:6, :4]
GOLDEN_EMBEDDINGS = np.sin(0.5 * ROW * COLUMN + 0.3 * ROW + 0.9 * COLUMN + 0.1)
GOLDEN_LABELS = np.array([0, 0, 1, 1, 2, 2])
GOLDEN_TEACHER = np.cos(0.4 * ROW * COLUMN + 0.2 * ROW + 0.6 * COLUMN)

Losses = Callable[[np.ndarray, np.ndarray], list[float]]


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    lengths = math.sqrt(float(first @ first)) * math.sqrt(float(second @ second))
    return float(first @ second) / lengths


def distance(kind: str, first: np.ndarray, second: np.ndarray) -> float:
    if kind == "cosine":
        return 1 - cosine(first, second)
    square = sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
    return square if kind == "squared_euclidean" else math.sqrt(square)


def harder(margin_on: str, margin: float, near: float) -> float:
    """The distance which a negative must have."""
    if margin_on == "distance":
        return near + margin
    angle = math.acos(max(-1.0, min(1.0, 1 - near))) + margin
    return 1 - (math.cos(angle) if angle < math.pi else -2 - math.cos(angle))


def positives_of(anchor: int, labels: np.ndarray) -> list[int]:
    return [j for j in range(len(labels)) if labels[j] == labels[anchor] and j != anchor]


def negatives_of(anchor: int, labels: np.ndarray) -> list[int]:
    return [j for j in range(len(labels)) if labels[j] != labels[anchor]]


def batch_hard(margin: float = 0.35, kind: str = "cosine", margin_on: str = "distance") -> Losses:
    def losses(x: np.ndarray, labels: np.ndarray) -> list[float]:
        rows = []
        for a in range(len(x)):
            positives, negatives = positives_of(a, labels), negatives_of(a, labels)
            if not positives or not negatives:
                rows.append(0.0)
                continue
            far = max(distance(kind, x[a], x[p]) for p in positives)
            near = min(distance(kind, x[a], x[n]) for n in negatives)
            rows.append(max(harder(margin_on, margin, far) - near, 0.0))
        return rows

    return losses


def batch_all(margin: float = 0.35, kind: str = "cosine", margin_on: str = "distance") -> Losses:
    def triplets(x: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, float]]:
        for a in range(len(x)):
            for p in positives_of(a, labels):
                limit = harder(margin_on, margin, distance(kind, x[a], x[p]))
                for n in negatives_of(a, labels):
                    yield a, max(limit - distance(kind, x[a], x[n]), 0.0)

    def losses(x: np.ndarray, labels: np.ndarray) -> list[float]:
        terms = [(a, loss) for a, loss in triplets(x, labels) if loss > 0]
        shares = [sum(loss for anchor, loss in terms if anchor == a) for a in range(len(x))]
        return [share * len(x) / max(len(terms), 1) for share in shares]

    return losses


def semi_hard(margin: float = 0.35, kind: str = "cosine", margin_on: str = "distance") -> Losses:
    def losses(x: np.ndarray, labels: np.ndarray) -> list[float]:
        shares, pairs = [], 0
        for a in range(len(x)):
            share = 0.0
            others = sorted(distance(kind, x[a], x[n]) for n in negatives_of(a, labels))
            for p in positives_of(a, labels):
                pairs += 1
                near = distance(kind, x[a], x[p])
                if others:
                    chosen = min((other for other in others if other > near), default=others[-1])
                    share += max(harder(margin_on, margin, near) - chosen, 0.0)
            shares.append(share)
        return [share * len(x) / max(pairs, 1) for share in shares]

    return losses


def offline(margin: float = 0.35, kind: str = "cosine", margin_on: str = "distance") -> Losses:
    def losses(x: np.ndarray, _: np.ndarray) -> list[float]:
        rows = []
        for anchor, near, far in zip(x[0::3], x[1::3], x[2::3], strict=True):
            limit = harder(margin_on, margin, distance(kind, anchor, near))
            rows.append(max(limit - distance(kind, anchor, far), 0.0))
        return rows

    return losses


def batch_all_pairs(x: np.ndarray, labels: np.ndarray, margin: float = 0.35) -> list[float]:
    rows = []
    for a in range(len(x)):
        near = [cosine(x[a], x[p]) for p in [*positives_of(a, labels), a]]
        far = [c for n in negatives_of(a, labels) if min(near) - (c := cosine(x[a], x[n])) < margin]
        rows.append(sum(1 - c for c in near) / len(near) + sum(far) / (len(far) + 1))
    return rows


def multi_similarity(x: np.ndarray, labels: np.ndarray) -> list[float]:
    alpha, beta, base, epsilon = 2.0, 50.0, 0.5, 0.1
    rows = []
    for a in range(len(x)):
        near = [cosine(x[a], x[p]) for p in positives_of(a, labels)]
        far = [cosine(x[a], x[n]) for n in negatives_of(a, labels)]
        mined_near = [c for c in near if c < max(far, default=-math.inf) + epsilon]
        mined_far = [c for c in far if c > min(near, default=math.inf) - epsilon]
        pull = math.log1p(sum(math.exp(-alpha * (c - base)) for c in mined_near)) / alpha
        rows.append(pull + math.log1p(sum(math.exp(beta * (c - base)) for c in mined_far)) / beta)
    return rows


def supervised_contrastive(x: np.ndarray, labels: np.ndarray) -> list[float]:
    temperature = 0.1
    rows = []
    for a in range(len(x)):
        others = sum(math.exp(cosine(x[a], x[j]) / temperature) for j in range(len(x)) if j != a)
        terms = [math.log(others) - cosine(x[a], x[p]) / temperature for p in positives_of(a, labels)]
        rows.append(sum(terms) / len(terms) if terms else 0.0)
    return rows


def to_centers(x: np.ndarray, labels: np.ndarray, centers: np.ndarray | None = None) -> list[float]:
    centers = np.zeros((100, x.shape[1])) if centers is None else centers
    return [
        sum((e - c) ** 2 for e, c in zip(row, centers[label], strict=True)) / 2
        for row, label in zip(x, labels, strict=True)
    ]


def to_center_directions(x: np.ndarray, labels: np.ndarray, centers: np.ndarray | None = None) -> list[float]:
    centers = np.zeros((100, x.shape[1])) if centers is None else centers
    return [
        1 - (cosine(row, centers[label]) if centers[label].any() else 0.0)
        for row, label in zip(x, labels, strict=True)
    ]


def moved_centers(centers: np.ndarray, x: np.ndarray, labels: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """Wen et al., 2016, equation 4, class by class."""
    moved = centers.copy()
    for label in set(labels.tolist()):
        own = [row for row, other in zip(x, labels, strict=True) if other == label]
        moved[label] -= alpha * sum(centers[label] - row for row in own) / (1 + len(own))
    return moved


class Case(NamedTuple):
    """A loss of labelled embeddings and its formula, ``reference(embeddings, labels)`` in float64."""

    make: Callable[[], embedding_loss.EmbeddingLoss]
    reference: Losses
    needs: tuple[str, ...] = ("positives", "negatives")
    """An anchor without them has a loss of 0."""


def _triplets(loss: Any, reference: Callable[..., Losses]) -> dict[str, Case]:
    settings = {
        "": ({}, ()),
        "_angle": ({"margin_on": "angle"}, (0.35, "cosine", "angle")),
        "_euclidean": ({"margin": 1.0, "distance": "euclidean"}, (1.0, "euclidean")),
        "_squared": ({"margin": 0.5, "distance": "squared_euclidean"}, (0.5, "squared_euclidean")),
    }
    name = reference.__name__
    return {
        name + suffix: Case(lambda s=keywords: loss(**s), reference(*arguments))
        for suffix, (keywords, arguments) in settings.items()
    }


CASES = {
    **_triplets(triplet.BatchHardTriplet, batch_hard),
    **_triplets(triplet.BatchAllTriplet, batch_all),
    **_triplets(triplet.SemiHardTriplet, semi_hard),
    "auto_margin": Case(triplet.AutoMarginTriplet, batch_hard(1.0, "squared_euclidean")),
    "batch_all_pairs": Case(contrastive.BatchAllPairs, batch_all_pairs, needs=()),
    "multi_similarity": Case(contrastive.MultiSimilarity, multi_similarity),
    "supervised_contrastive": Case(contrastive.SupervisedContrastive, supervised_contrastive, ("positives",)),
    "center": Case(lambda: center.CenterLoss(100, 5), to_centers, needs=()),
    "cosine_center": Case(lambda: center.CosineCenterLoss(100, 5), to_center_directions, needs=()),
}


def addons() -> Any:
    """TensorFlow Addons, which runs on TensorFlow 2.15 alone and announces its end when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow_addons")


def slopes(function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The gradient by central differences."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient
