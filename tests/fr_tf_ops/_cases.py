"""Problems for the op: rows of samples near their own classes, labels, and upstream gradients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Problem(NamedTuple):
    x: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    sub_centers: int


def make_problem(
    rng: np.random.Generator, samples: int, dim: int, classes: int, sub_centers: int, dtype: str = "float32"
) -> Problem:
    """Unit rows of samples; rows of classes of many lengths, rounded to ``dtype``."""
    weights = rng.standard_normal((classes * sub_centers, dim)) * rng.uniform(
        0.1, 10, (classes * sub_centers, 1)
    )
    weights = np.array(tf.cast(tf.constant(weights, tf.float32), dtype))
    labels = rng.integers(0, classes, samples).astype(np.int32)
    own = weights[labels * sub_centers].astype(np.float64)
    x = own / np.linalg.norm(own, axis=1, keepdims=True) + rng.standard_normal((samples, dim)) / np.sqrt(dim)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Problem(x.astype(np.float32), weights, labels, sub_centers)


def upstream(rng: np.random.Generator, samples: int, count: int) -> list[np.ndarray]:
    """Gradients of ``count`` vectors of samples."""
    return [rng.standard_normal(samples).astype(np.float32) for _ in range(count)]


def gradients(
    outputs: list[tf.Tensor], upstream: list[np.ndarray], tape: tf.GradientTape, of: list[tf.Tensor]
) -> list:
    """Return what the tape gives, as float64."""
    found = tape.gradient(outputs, of, output_gradients=[tf.constant(g) for g in upstream])
    return [np.asarray(tf.cast(g, tf.float32), np.float64) for g in found]


def assert_near(got: np.ndarray, expected: np.ndarray, tolerance: float, size: float = 1e-3) -> None:
    """Within ``tolerance`` of the largest number expected, or of ``size`` where these are smaller."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    assert got.shape == expected.shape
    room = tolerance * max(np.abs(expected).max(initial=0.0), size)
    worst = np.abs(got - expected).max(initial=0.0)
    assert worst <= room, f"{worst} away, {room} allowed"
