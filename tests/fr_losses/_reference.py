"""The margin losses once more, in plain float64 loops from the papers' formulas, and all with settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import fr_losses
import numpy as np

S = 64.0


def cross_entropy(logits: list[float], label: int, smoothing: float = 0.0) -> float:
    largest = max(logits)
    log_sum = largest + math.log(sum(math.exp(logit - largest) for logit in logits))
    share = smoothing / len(logits)
    weights = [share + (1 - smoothing if j == label else 0.0) for j in range(len(logits))]
    return sum(w * (log_sum - logit) for w, logit in zip(weights, logits, strict=True))


def arc(cosine: float, margin: float, past_pi: str = "linear") -> float:
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if angle + margin < math.pi or past_pi == "none":
        return math.cos(angle + margin)
    return cosine - margin * math.sin(margin) if past_pi == "linear" else -2 - math.cos(angle + margin)


def softmax_of(target: Callable[[float], float]) -> Callable[..., list[float]]:
    """Losses when ``target(cosine)`` takes the place of the target's cosine."""

    def losses(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
        rows = []
        for row, label in zip(cosines, labels, strict=True):
            logits = [S * c for c in row]
            logits[label] = S * target(row[label])
            rows.append(cross_entropy(logits, label))
        return rows

    return losses


def combined(cosine: float) -> float:
    angle = 1.35 * math.acos(cosine) + 0.2
    return math.cos(angle) - 0.1 if angle < math.pi else -2 * 1.1 - math.cos(angle) + 0.1


def easy(cosine: float) -> float:
    return arc(cosine, 0.5) if cosine > 0 else cosine


def sphereface(cosines: np.ndarray, labels: np.ndarray, norms: np.ndarray) -> list[float]:
    rows = []
    for row, label, norm in zip(cosines, labels, norms, strict=True):
        angle = math.acos(row[label])
        k = min(int(angle * 4 / math.pi), 3)
        psi = (-1) ** k * math.cos(4 * angle) - 2 * k
        weight = max(5.0, 1000 / (1 + 0.12 * 1))
        logits = [norm * c for c in row]
        logits[label] = norm * (weight * row[label] + psi) / (1 + weight)
        rows.append(cross_entropy(logits, label))
    return rows


def curricular(past_pi: str, t: float | None = None) -> Callable[..., list[float]]:
    def losses(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
        own = [row[label] for row, label in zip(cosines, labels, strict=True)]
        hardness = 0.01 * float(np.mean(own)) if t is None else t
        rows = []
        for row, label in zip(cosines, labels, strict=True):
            target = arc(row[label], 0.5, past_pi)
            threshold = target if past_pi == "reflect" else arc(row[label], 0.5, "none")
            logits = [S * (c * (hardness + c) if c > threshold else c) for c in row]
            logits[label] = S * target
            rows.append(cross_entropy(logits, label))
        return rows

    return losses


def airface(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
    rows = []
    for row, label in zip(cosines, labels, strict=True):
        logits = [S * (math.pi - 2 * math.acos(c)) / math.pi for c in row]
        logits[label] -= S * 2 * 0.4 / math.pi
        rows.append(cross_entropy(logits, label))
    return rows


def magface(cosines: np.ndarray, labels: np.ndarray, norms: np.ndarray) -> list[float]:
    rows = []
    for row, label, norm in zip(cosines, labels, norms, strict=True):
        held = min(max(norm, 10.0), 110.0)
        margin = 0.35 / 100 * (held - 10) + 0.45
        logits = [S * c for c in row]
        logits[label] = S * arc(row[label], margin)
        rows.append(cross_entropy(logits, label) + 35 * (held / 110**2 + 1 / held))
    return rows


def adaface(cosines: np.ndarray, labels: np.ndarray, norms: np.ndarray, moves: bool = True) -> list[float]:
    held = np.clip(norms, 1e-3, 100)
    mean = 0.01 * held.mean() + 0.99 * 20 if moves else 20.0
    std = 0.01 * held.std(ddof=1) + 0.99 * 100 if moves and len(held) > 1 else 100.0
    rows = []
    for row, label, norm in zip(cosines, labels, held, strict=True):
        part = min(max(0.333 * (norm - mean) / (std + 1e-3), -1.0), 1.0)
        angle = min(max(math.acos(row[label]) - 0.4 * part, 1e-3), math.pi - 1e-3)
        logits = [S * c for c in row]
        logits[label] = S * (math.cos(angle) - 0.4 * (1 + part))
        rows.append(cross_entropy(logits, label))
    return rows


def adacos(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray, moves: bool = True) -> list[float]:
    first = math.sqrt(2) * math.log(cosines.shape[1] - 1)
    sums = [
        sum(math.exp(first * c) for j, c in enumerate(row) if j != label)
        for row, label in zip(cosines, labels, strict=True)
    ]
    angles = sorted(math.acos(row[label]) for row, label in zip(cosines, labels, strict=True))
    median = angles[(len(angles) - 1) // 2]
    moved = math.log(sum(sums) / len(sums)) / math.cos(min(math.pi / 4, median))
    scale = moved if moves else first
    return [
        cross_entropy([scale * c for c in row], label) for row, label in zip(cosines, labels, strict=True)
    ]


def uniface(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
    bias = math.log(10 * cosines.shape[1])
    rows = []
    for row, label in zip(cosines, labels, strict=True):
        own = float(np.logaddexp(0, bias - S * (row[label] - 0.4)))
        rows.append(own + sum(float(np.logaddexp(0, S * c - bias)) for j, c in enumerate(row) if j != label))
    return rows


def probability_margin(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
    rows = []
    for row, label in zip(cosines, labels, strict=True):
        p = math.exp(-cross_entropy([5 * c for c in row], label))
        changed = (p**2 + 0.4 * p) / 2
        rows.append(-math.log(changed / (1 - p + changed)))
    return rows


def smoothed(cosines: np.ndarray, labels: np.ndarray, _: np.ndarray) -> list[float]:
    rows = []
    for row, label in zip(cosines, labels, strict=True):
        logits = [S * c for c in row]
        logits[label] = S * arc(row[label], 0.5)
        rows.append(cross_entropy(logits, label, 0.1))
    return rows


class Case(NamedTuple):
    """A loss and its formula: ``reference(cosines, labels, norms)`` in float64."""

    make: Callable[[int], fr_losses.MarginLoss]
    reference: Callable[..., list[float]]


def case(loss: type[fr_losses.MarginLoss], reference: Callable[..., list[float]], **settings: Any) -> Case:
    return Case(lambda _: loss(**settings), reference)


CASES = {
    "norm_softmax": case(fr_losses.NormSoftmax, softmax_of(lambda c: c)),
    "margin_softmax": case(fr_losses.MarginSoftmax, probability_margin, scale=5.0),
    "arcface": case(fr_losses.ArcFace, softmax_of(lambda c: arc(c, 0.5))),
    "arcface_reflect": case(
        fr_losses.ArcFace, softmax_of(lambda c: arc(c, 0.5, "reflect")), past_pi="reflect"
    ),
    "arcface_none": case(fr_losses.ArcFace, softmax_of(lambda c: arc(c, 0.5, "none")), past_pi="none"),
    "arcface_easy": case(fr_losses.ArcFace, softmax_of(easy), easy_margin=True),
    "arcface_straight_through": case(
        fr_losses.ArcFace, softmax_of(lambda c: arc(c, 0.5)), gradient="straight_through"
    ),
    "arcface_smoothed": case(fr_losses.ArcFace, smoothed, label_smoothing=0.1),
    "combined": case(
        fr_losses.CombinedMargin,
        softmax_of(combined),
        multiplier=1.35,
        angular_margin_rad=0.2,
        additive_margin=0.1,
    ),
    "cosface": case(fr_losses.CosFace, softmax_of(lambda c: c - 0.35)),
    "sphereface": case(fr_losses.SphereFace, sphereface),
    "sphereface_r": case(
        fr_losses.SphereFaceR,
        softmax_of(lambda c: math.cos(min(1.5 * math.acos(c), math.pi))),
        scale=S,
        gradient="exact",
    ),
    "curricularface": case(fr_losses.CurricularFace, curricular("linear")),
    "curricularface_reflect": case(fr_losses.CurricularFace, curricular("reflect"), past_pi="reflect"),
    "airface": case(fr_losses.AirFace, airface),
    "airface_cosine": case(
        fr_losses.AirFace,
        softmax_of(lambda c: 1 - 2 * (math.acos(c) + 0.4) / math.pi),
        others="cosine",
    ),
    "magface": case(fr_losses.MagFace, magface),
    "adaface": case(fr_losses.AdaFace, adaface),
    "adacos": Case(lambda classes: fr_losses.AdaCos(num_classes=classes), adacos),
    "elasticface": case(fr_losses.ElasticFace, softmax_of(lambda c: arc(c, 0.5)), std=0.0),
    "elasticface_cos": case(fr_losses.ElasticFace, softmax_of(lambda c: c - 0.35), std=0.0, kind="cos"),
    "uniface": Case(lambda classes: fr_losses.UniFace(num_classes=classes), uniface),
}


def with_norms(loss: fr_losses.MarginLoss, cosines: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The cosines as the loss expects them: with the negated norms in a last column, if it uses them."""
    return np.concatenate([cosines, -norms[:, None]], axis=1) if loss.uses_norms else cosines
