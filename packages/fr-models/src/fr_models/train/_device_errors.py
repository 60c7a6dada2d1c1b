"""Errors of TensorFlow as a person reads them: where, and in one line what was asserted or allocated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

__all__ = ["located", "reason"]


@contextmanager
def located(where: str) -> Iterator[None]:
    """Let an error of TensorFlow say where it happened.

    Raises
    ------
    ValueError
        Instead of it; the message begins with ``where``.
    """
    try:
        yield
    except tf.errors.OpError as error:
        raise ValueError(f"{where}: {reason(error)}") from error


def reason(error: tf.errors.OpError) -> str:
    """Return an error in one line: what was asserted or allocated, if it says so."""
    message = re.sub(r"\{\{[^}]*\}\} ?| \[Op:\w+\]( name: ?)?", "", error.message)
    known = re.search(r"assertion failed: \[(.*?)\](?: \[|$|\n)|(OOM when [^\n]*)", message)
    return " ".join((known[1] or known[2] if known else message).split())
