"""Checks of settings: each returns what it was given, or says in one line what was expected."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any


def is_whole(value: Any) -> bool:
    """Whether a value is an integer, and not a truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_share(argument: str, value: Any) -> Any:
    """Return a share that may be 0: a number in [0, 1)."""
    if not is_number(value) or not 0.0 <= value < 1.0:
        raise ValueError(f"{argument}: expected a share in [0, 1), got {value!r}")
    return value


def checked_above_0(argument: str, value: Any) -> Any:
    """Return a number in (0, 1): a share that may not be 0, as an epsilon."""
    if not is_number(value) or not 0.0 < value < 1.0:
        raise ValueError(f"{argument}: expected a number in (0, 1), got {value!r}")
    return value


def checked_bool(argument: str, value: Any) -> Any:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{argument}: expected True or False, got {value!r}")
    return value


def checked_model(argument: str, value: Any) -> Any:
    """Return a Keras model."""
    from tensorflow import keras

    if not isinstance(value, keras.Model):
        raise ValueError(f"{argument}: expected a Keras model, got {value!r}")
    return value


def existing_file(argument: str, path: Any) -> Path:
    """Return the path of a file that is there."""
    if not isinstance(path, str | PathLike) or not str(path):
        raise ValueError(f"{argument}: expected the path of a file, got {path!r}")
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: expected a file, found a folder")
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    return path
