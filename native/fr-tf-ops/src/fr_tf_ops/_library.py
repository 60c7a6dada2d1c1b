"""The library of this process: found in the cache or compiled, then loaded into TensorFlow, once."""

from __future__ import annotations

import atexit
import ctypes
import functools
import logging
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from fr_tf_ops import _sources
from fr_tf_ops._build import build
from fr_tf_ops._cache import cache_folder, ensure, is_whole
from fr_tf_ops._compiler import find_compiler
from fr_tf_ops._target import Target, this_target
from fr_tf_ops._unavailable import UnavailableError

logger = logging.getLogger("fr_tf_ops")
_lock = threading.Lock()


class Library(NamedTuple):
    """What was loaded."""

    path: Path
    ops: Any
    """The ops as Python functions, as TensorFlow makes them."""
    isas: tuple[str, ...]
    """Instruction sets that this CPU runs, slowest first."""


def library() -> Library:
    """Return the library, loaded.

    Raises
    ------
    UnavailableError
        If it cannot be compiled or loaded.
    """
    with _lock:
        return _library()


@functools.cache
def _library() -> Library:
    path = built_library()
    try:
        return _loaded(path)
    except (
        tf.errors.NotFoundError
    ) as error:  # made for a TensorFlow of this version that was built differently
        logger.info("%s does not load (%s): compiling again", path, error.message)
    path.unlink(missing_ok=True)
    path = built_library()
    try:
        return _loaded(path)
    except tf.errors.NotFoundError as error:
        raise UnavailableError(f"{path} does not load: {error.message}") from error


def built_library(must_stay: bool = False) -> Path:
    """Return the path of the library, compiled if it must be, not loaded.

    Parameters
    ----------
    must_stay : bool
        Whether a library for this process only will not do.

    Raises
    ------
    UnavailableError
        If it cannot be compiled, or cannot be written where it must stay.
    """
    target = this_target()
    path = cached_path(target)
    try:
        made = _ensure(path, target)
    except OSError as error:
        if must_stay:
            raise UnavailableError(f"{path.parent} cannot be written: {error}") from None
        logger.warning("%s cannot be written (%s): compiling for this process only", path.parent, error)
        path = _folder_of_this_process() / path.name
        made = _ensure(path, target)
    if not made:
        logger.info("found %s", path)
    return path


def cached_path(target: Target) -> Path:
    """Return where the library is or will be.

    Its name ends with a digest of the compiler. Where there is no compiler any whole library of these sources
    will do: it may have been made ahead, on a machine that had one.

    Raises
    ------
    UnavailableError
        If there is neither a library nor a compiler.
    """
    folder = cache_folder()
    stem = f"{target.name}-{_sources.digest(target.machine)}"
    try:
        return folder / f"{stem}-{find_compiler().digest}.so"
    except UnavailableError:
        for path in sorted(folder.glob(f"{stem}-*.so")):
            if is_whole(path):
                return path
        raise


def _ensure(path: Path, target: Target) -> bool:
    def compiled() -> bytes:
        compiler = find_compiler()
        start = time.monotonic()
        content = build(compiler, target, log=path.with_suffix(".log"))
        seconds = time.monotonic() - start
        logger.info("compiled %s in %.1f s with %s", path, seconds, compiler.name)
        return content

    return ensure(path, compiled)


@functools.cache
def _folder_of_this_process() -> Path:
    folder = tempfile.mkdtemp(prefix="fr-tf-ops-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _loaded(path: Path) -> Library:
    ops = tf.load_op_library(str(path))
    isas = ctypes.CDLL(str(path)).fr_tf_ops_isas
    isas.restype = ctypes.c_char_p
    return Library(path, ops, tuple(isas().decode().split(",")))
