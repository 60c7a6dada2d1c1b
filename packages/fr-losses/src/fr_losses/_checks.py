"""Settings that must lie in a range or be one of a few words."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

MOST_ROWS = 2**31 - 1  # TensorFlow numbers rows by int32


def positive(name: str, value: float) -> float:
    """Return a number that must be above 0."""
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")
    return value


def finite(name: str, value: float) -> float:
    """Return a number that must be finite."""
    if not _is_number(value) or not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return value


def non_negative(name: str, value: float) -> float:
    """Return a number that must not be below 0."""
    if not _is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number from 0 on, got {value!r}")
    return value


def radians(name: str, value: float) -> float:
    """Return a margin on angles, of which the largest is pi."""
    if not _is_number(value) or not 0 <= value < math.pi:
        raise ValueError(f"{name}: expected radians in [0, pi), got {value!r}")
    return value


def cosine_margin(name: str, value: float) -> float:
    """Return a margin on cosines, which are no farther than 2 from each other."""
    if not _is_number(value) or not 0 <= value <= 2:
        raise ValueError(f"{name}: expected a difference of cosines in [0, 2], got {value!r}")
    return value


def share(name: str, value: float) -> float:
    """Return a number that must be in ``[0, 1)``."""
    if not _is_number(value) or not 0.0 <= value < 1.0:
        raise ValueError(f"{name}: expected a share in [0, 1), got {value!r}")
    return value


def portion(name: str, value: float) -> float:
    """Return a number that must be in ``(0, 1]``."""
    if not _is_number(value) or not 0.0 < value <= 1.0:
        raise ValueError(f"{name}: expected a share in (0, 1], got {value!r}")
    return value


def at_least(name: str, value: int, least: int) -> int:
    """Return a whole number that must not be below ``least``."""
    if not _is_number(value) or value < least or value % 1 != 0:
        raise ValueError(f"{name}: expected a whole number from {least} on, got {value!r}")
    return int(value)


def checked_sub_centers(value: int, classes: int) -> int:
    """Return how many rows a class has, of a matrix whose rows int32 can number."""
    if not _is_number(value) or not 1 <= value <= MOST_ROWS // classes or value % 1 != 0:
        raise ValueError(
            f"sub_centers: expected a whole number from 1 to {MOST_ROWS // classes} for {classes} classes, "
            f"got {value!r}"
        )
    return int(value)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return a setting that must be one of a few words."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
