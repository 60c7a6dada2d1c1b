"""Bytes of files, whole and in part, with errors that say where."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from fr_models.data.damage import Place, TruncatedFile


def read_image_file(path: str | Path) -> bytes:
    """Read a file that holds one image."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  this is the inner loop of training
            image = file.read()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return not_empty(image, str(path))


def not_empty(image: bytes, name: str) -> bytes:
    """Return an image that has bytes."""
    if not image:
        raise ValueError(f"{name}: no bytes, expected an image")
    return image


class PositionalFile:
    """A file that several threads read at once.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    size : int
        Bytes, when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read exactly ``length`` bytes."""
        if offset < 0:
            raise ValueError(f"{self.path}: byte {offset}: expected a place in the file")
        if length > self.size - offset:
            found = max(self.size - offset, 0)
            raise TruncatedFile(
                Place(self.path, offset), f"cut short, expected {length} bytes, found {found}"
            )
        parts = []
        while length:
            part = os.pread(self._descriptor, length, offset)
            if not part:
                raise ValueError(f"{self.path}: byte {offset}: the file became shorter")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)
