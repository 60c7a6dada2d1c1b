"""Files that a killed run leaves whole, the old one or the new: written beside, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["disk_errors_named", "replacing", "sync", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a file to write, which takes the place of ``path`` if the block ends well.

    It has the suffix of ``path``, by which writers know what to write. What a killed run left of it is
    overwritten by the next. An error of the disk, as a full one, names ``path``.

    Examples
    --------
    >>> with replacing(Path("report.txt")) as temporary:  # doctest: +SKIP
    ...     temporary.write_text("all of it")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing.{path.name}")
    try:
        with disk_errors_named(path):
            yield temporary
            sync(temporary)  # or a crash of the machine leaves an empty file under the name
            temporary.replace(path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Let an error of the disk that names no file, as that of a full one, name ``path``."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    is_folder = path.is_dir()
    if is_folder and not hasattr(os, "O_DIRECTORY"):
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
