"""Files that one process at a time works with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fr_eval.errors import InputError

__all__ = ["locked", "written_alone"]


@contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Keep a file, made if there is none, to this process while the block runs; one that dies lets go of it.

    Nothing is kept where the system or the file system has no such locks.

    Raises
    ------
    InputError
        If another process has it; the message is ``busy``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samefile(file.fileno(), path):  # noqa: PTH121  an open file has no path
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):  # not found: who had it has just removed it
            raise InputError(busy) from None
        except (ImportError, OSError):  # Windows; a file system without locks
            pass
        yield


@contextmanager
def written_alone(output: Path) -> Iterator[None]:
    """Keep an output to this process while the block runs, by ``OUTPUT.partial.lock``, then removed.

    Raises
    ------
    InputError
        If another process writes it.
    """
    path = Path(f"{output}.partial.lock")
    with locked(path, f"{output}: another process is writing it"):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
