"""Checks of settings: each returns what it was given, or says in one line what was expected."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


def is_whole(value: Any) -> bool:
    """Whether a value is an integer, and not a truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_share(argument: str, value: Any) -> Any:
    """Return a number in [0, 1)."""
    if not is_number(value) or not 0.0 <= value < 1.0:
        raise ValueError(f"{argument}: expected a share in [0, 1), got {value!r}")
    return value


def checked_fraction(argument: str, value: Any) -> Any:
    """Return a number in (0, 1)."""
    if not is_number(value) or not 0.0 < value < 1.0:
        raise ValueError(f"{argument}: expected a number in (0, 1), got {value!r}")
    return value
