"""Functions that are loss classes called once: named, and documented by their class."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def named(
    name: str, loss: type, function: Callable[..., tf.Tensor], *arguments: str
) -> Callable[..., tf.Tensor]:
    """Give a function of these arguments its name, its module and the documentation of a loss class."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = loss.__module__
    function.__doc__ = (
        f"Losses ``[B]`` of ``{'`` and ``'.join(arguments)}``; settings as in `{loss.__name__}`."
    )
    return function
