"""What the op computes, in NumPy and float64, with every matrix written out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SMALLEST_NORM = 1e-6
LARGEST_COSINE = 1.0 - 2.0**-20


class Negatives(NamedTuple):
    """``f`` and its settings."""

    kind: str = "cosine"
    thresholds: np.ndarray | None = None
    hardness: float | None = None

    def value(self, c: np.ndarray) -> np.ndarray:
        if self.kind == "hard":
            return np.where(self._above(c), c * (self.hardness + c), c)
        if self.kind == "drop":
            return np.where(self._above(c), 0.0, c)
        if self.kind == "angle":
            return 1.0 - 2.0 * np.arccos(np.clip(c, -1.0, 1.0)) / np.pi
        return c

    def slope(self, c: np.ndarray) -> np.ndarray:
        if self.kind == "hard":
            return np.where(self._above(c), self.hardness + 2.0 * c, 1.0)
        if self.kind == "drop":
            return np.where(self._above(c), 0.0, 1.0)
        if self.kind == "angle":
            return 2.0 / np.pi / np.sqrt(1.0 - np.clip(c, -LARGEST_COSINE, LARGEST_COSINE) ** 2)
        return np.ones_like(c)

    def settings(self) -> dict[str, Any]:
        """Return the op's arguments."""
        if self.kind == "drop":
            return {"negatives": "drop", "thresholds": self.thresholds}
        if self.kind != "hard":
            return {"negatives": self.kind}
        return {"negatives": "hard", "thresholds": self.thresholds, "hardness": self.hardness}

    def _above(self, c: np.ndarray) -> np.ndarray:
        assert self.thresholds is not None
        return c > self.thresholds.astype(np.float64)[:, None]


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to nearest, ties to even, by way of float32."""
    bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


class Head:
    """Cosines of samples with classes, and the way back from their gradients."""

    def __init__(
        self,
        x: np.ndarray,
        weights: np.ndarray,
        labels: np.ndarray,
        sub_centers: int = 1,
        products: str = "float32",
    ) -> None:
        self._round = to_bfloat16 if products == "bfloat16" else np.asarray
        x, weights = x.astype(np.float64), weights.astype(np.float64)
        self.norms = np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), SMALLEST_NORM)
        self.unit = weights / self.norms
        # Rounded from float32, as the op has it: from float64 a last bit may go the other way.
        unit = weights.astype(np.float32) * (1.0 / self.norms).astype(np.float32)
        self.x, self.factors = self._round(x), self._round(unit) if products == "bfloat16" else self.unit
        self.parts = (self.x @ self.factors.T).reshape(len(x), -1, sub_centers)
        self.cosines = self.parts.max(axis=2)
        self.own = labels[:, None] == np.arange(self.cosines.shape[1])
        own_parts = (x @ self.unit.T).reshape(self.parts.shape)[np.arange(len(x)), labels]
        self.target = own_parts.max(axis=1, initial=-np.inf)

    def largest(self) -> np.ndarray:
        return np.where(self.own, -np.inf, self.cosines).max(axis=1)

    def gradients(self, g_cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of ``x`` and of the weights; a class's goes to the first of its largest parts."""
        first = np.arange(self.parts.shape[2]) == self.parts.argmax(axis=2)[:, :, None]
        g_parts = self._round((first * g_cosines[:, :, None]).reshape(len(self.x), -1))
        g_unit = g_parts.T @ self.x
        along = (self.unit * g_unit).sum(axis=1, keepdims=True)
        return g_parts @ self.factors, (g_unit - self.unit * along) / self.norms


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    peak = logits.max(axis=1)
    return peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))


def softmax_sums(head: Head, scale: float, negatives: Negatives) -> dict[str, np.ndarray]:
    logits = scale * negatives.value(head.cosines)
    return {
        "target": head.target,
        "log_sum_exp": log_sum_exp(np.where(head.own, -np.inf, logits)),
        "total": np.where(head.own, 0.0, logits).sum(axis=1),
        "largest": head.largest(),
    }


def softmax_gradients(
    head: Head,
    scale: float,
    negatives: Negatives,
    g_target: np.ndarray,
    g_lse: np.ndarray,
    g_total: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    sums = softmax_sums(head, scale, negatives)
    shares = np.exp(scale * negatives.value(head.cosines) - sums["log_sum_exp"][:, None])
    slopes = scale * negatives.slope(head.cosines) * (g_lse[:, None] * shares + g_total[:, None])
    return head.gradients(np.where(head.own, g_target[:, None], slopes))


def unified_sums(head: Head, scale: float, bias: float) -> dict[str, np.ndarray]:
    logits = scale * head.cosines - bias
    return {
        "target": head.target,
        "softplus": np.where(head.own, 0.0, np.logaddexp(0.0, logits)).sum(axis=1),
        "largest": head.largest(),
    }


def unified_gradients(
    head: Head, scale: float, bias: float, g_target: np.ndarray, g_softplus: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    sigmoids = np.where(head.own, 0.0, 1.0 / (1.0 + np.exp(bias - scale * head.cosines)))
    g_cosines = np.where(head.own, g_target[:, None], scale * g_softplus[:, None] * sigmoids)
    return *head.gradients(g_cosines), -float((g_softplus[:, None] * sigmoids).sum())
