"""Bytes of files, whole and in part, with errors that say where; and whether files have changed."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterable
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


def stamp_of(paths: Iterable[str | Path]) -> str:
    """Digest names, sizes and times of change of files, in order; some of them may be missing."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116  of each image
            of_file = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        except OSError as error:
            of_file = f"{error.strerror}"
        digest.update(os.fsencode(f"{os.path.basename(path)}\0{of_file}\n"))  # noqa: PTH119
    return digest.hexdigest()


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
