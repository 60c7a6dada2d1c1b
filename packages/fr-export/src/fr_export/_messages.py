"""What converters and runtimes say when they fail, on one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fr_eval.errors import InputError


def one_line(error: Exception) -> str:
    """Return a message with its lines joined; of an empty one the error's type."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: Exception) -> str:
    """Return a message's first line: converters print whole graphs after it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def is_disk_full(error: Exception) -> bool:
    """Say whether TensorFlow, whose errors have no number, means a full disk."""
    return os.strerror(errno.ENOSPC) in str(error)


def disk_full() -> OSError:
    """Return the error of a full disk; whoever knows the path names it."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def told(failed: Callable[[InputError], None] | None, kind: type[InputError] = InputError) -> Iterator[None]:
    """Tell of an error of a kind instead of raising it, if there is whom to tell."""
    try:
        yield
    except kind as error:
        if failed is None:
            raise
        failed(error)
