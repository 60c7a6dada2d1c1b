"""Files that a killed run leaves whole, the old one or the new: written beside, synced, renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["disk_errors_named", "replacing", "sync", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a file to write, which takes the place of ``path`` if the block ends well.

    It has the suffix of ``path``, by which writers know what to write. What a killed run left of it is
    overwritten by the next. An error of the disk, as a full one, names ``path``, never the other file. A link
    stays one: what it leads to is replaced.

    Raises
    ------
    OSError
        If ``path`` is a device or a pipe, as ``/dev/stdout`` is.

    Examples
    --------
    >>> with replacing(Path("report.txt")) as temporary:  # doctest: +SKIP
    ...     temporary.write_text("all of it")
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "a device or a pipe, expected a file to write", str(path))
    if path.is_symlink():
        path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing.{path.name}")
    with disk_errors_named(path, temporary):
        try:
            yield temporary
            sync(temporary)  # or a crash of the machine leaves an empty file under the name
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors_named(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Let an error of the disk name ``path``, that names no file, as that of a full one, or the temporary.

    Parameters
    ----------
    path : Path
        What the user knows.
    temporary : Path, optional
        What is written in its stead: a file, or a folder with all that is in it.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        is_hidden = temporary is not None and isinstance(name, str) and Path(name).is_relative_to(temporary)
        if name is not None and not is_hidden:
            raise
        reason = error.strerror or str(error)
        if temporary is not None:  # writers of HDF5 have names in their reasons
            reason = reason.replace(str(temporary), str(path))
        raise OSError(error.errno, reason, str(path)) from error


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
