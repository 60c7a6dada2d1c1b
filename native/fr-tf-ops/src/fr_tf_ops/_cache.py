"""Libraries that were compiled before, in the user's cache folder.

A library ends with the SHA-256 of what precedes, which loaders of libraries pass over: a file that was cut
short or damaged is found out before it is loaded. Files appear whole, by a rename. Processes that want the
same one at the same time wait for the first of them, where the file system has locks; where it has none the
last one wins, and nothing is lost but its time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = b"fr-tf-ops sha256"


def cache_folder() -> Path:
    """``FR_TF_OPS_CACHE``, else ``fr-tf-ops`` in ``XDG_CACHE_HOME``, else in ``~/.cache``."""
    if own := os.environ.get("FR_TF_OPS_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fr-tf-ops"


def is_whole(path: Path) -> bool:
    """Whether the file is there, as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    library, mark, digest = content[:-48], content[-48:-32], content[-32:]
    return mark == MARK and digest == hashlib.sha256(library).digest()


def ensure(path: Path, build: Callable[[], bytes]) -> bool:
    """Have a whole file at ``path``; return whether ``build`` had to make it.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    if is_whole(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        if is_whole(path):
            return False
        library = build()
        _write(path, library + MARK + hashlib.sha256(library).digest())
    return True


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)  # a library made ahead may be for other users
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
