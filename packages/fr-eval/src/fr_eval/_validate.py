"""Checks of scores, labels and targets: what passes here cannot give a silently wrong number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval.errors import InputError

Scores = NDArray[np.float32] | NDArray[np.float64]


def as_scores(scores: ArrayLike, what: str) -> Scores:
    """Return scores as a float32 or float64 vector; anything else numeric becomes float64."""
    array: NDArray[Any] = np.asarray(scores)
    if array.ndim != 1:
        raise InputError(f"{what} scores: expected one dimension, got shape {array.shape}")
    if array.size == 0:
        raise InputError(f"{what} scores: expected at least one, got none")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{what} scores: expected numbers, got dtype {array.dtype}")
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    not_a_number = np.isnan(array)
    if not_a_number.any():
        raise InputError(f"{what} scores: score {int(not_a_number.argmax())} is NaN, expected a number")
    return array


def as_labels(labels: ArrayLike, length: int, what: str) -> NDArray[np.int64]:
    """Return integer labels as int64, checking their number."""
    array: NDArray[Any] = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            f"{what}: expected a vector of integers, got dtype {array.dtype}, shape {array.shape}"
        )
    if array.size != length:
        raise InputError(f"{what}: expected {length} entries, got {array.size}")
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{what}: expected numbers below 2^63, got {array.max()}")
    return array.astype(np.int64)


def as_rates(targets: Iterable[float], what: str) -> tuple[float, ...]:
    """Return target rates as floats, each in [0, 1]."""
    rates = tuple(float(target) for target in targets)
    for rate in rates:
        if not 0.0 <= rate <= 1.0:
            raise InputError(f"{what}: expected a rate from 0 to 1, got {rate}")
    if not rates:
        raise InputError(f"{what}: expected at least one rate, got none")
    return rates


def as_ranks(ranks: Iterable[int]) -> tuple[int, ...]:
    """Return ranks as whole numbers from 1 up."""
    checked = tuple(int(rank) for rank in ranks)
    if not checked or min(checked) < 1:
        raise InputError(f"ranks: expected whole numbers from 1, got {list(checked)}")
    return checked


def one_of(value: str, choices: Sequence[str], what: str) -> str:
    """Return ``value`` if it is one of ``choices``."""
    if value not in choices:
        raise InputError(f"{what}: expected one of {', '.join(choices)}, got {value!r}")
    return value
