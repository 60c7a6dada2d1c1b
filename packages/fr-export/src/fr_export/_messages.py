"""What converters and runtimes say when they fail, on one line."""

from __future__ import annotations


def one_line(error: Exception) -> str:
    """Return a message with its lines joined; of an empty one the error's type."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: Exception) -> str:
    """Return a message's first line: converters print whole graphs after it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
