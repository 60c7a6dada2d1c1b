"""Slow, plain implementations that the native functions are held to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LANES = 16


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Float32 rows over their float64 norms, rounded once."""
    exact = rows.astype(np.float32).astype(np.float64)
    return (exact / np.sqrt((exact**2).sum(axis=1, keepdims=True))).astype(np.float32)


def cosines(queries: NDArray[np.floating], gallery: NDArray[np.floating]) -> NDArray[np.float32]:
    """Float64 dot products of float32 unit rows, summed lane by lane, rounded once to float32."""
    products = unit_rows(queries).astype(np.float64)[:, None, :] * unit_rows(gallery).astype(np.float64)[None]
    dim = products.shape[2]
    padded = np.zeros((*products.shape[:2], -(-dim // LANES) * LANES))
    padded[:, :, :dim] = products
    lanes = np.zeros((*products.shape[:2], LANES))
    for start in range(0, padded.shape[2], LANES):
        lanes += padded[:, :, start : start + LANES]
    while lanes.shape[2] > 1:
        half = lanes.shape[2] // 2
        lanes = lanes[:, :, :half] + lanes[:, :, half:]
    return lanes[:, :, 0].astype(np.float32)


def top_k(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k best of each row: score descending, then index ascending."""
    order = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def far_threshold(impostor: NDArray[np.floating], far: float) -> float:
    """The smallest score value that a share of at most ``far`` reaches, else the next float above all."""
    values, counts = np.unique(impostor, return_counts=True)
    reaching = counts[::-1].cumsum()[::-1]
    allowed = values[reaching / impostor.size <= far]
    if allowed.size > 0:
        return float(allowed[0])
    return float(np.nextafter(impostor.max(), impostor.dtype.type(np.inf)))
