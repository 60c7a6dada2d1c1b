"""Each image decoded once, and what that found kept on the disk, so that a killed check goes on behind it.

``PARTIAL`` holds a row of `FOUND` for each image, in order. ``PARTIAL.json``, a `Journal`, says how many
rows are on the disk, and of which images: by class names, labels, and name, size and times of each file. Rows
of others are refused. An image that could not be read or decoded is looked at again, which says why.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fr_eval.files import disk_errors_named
from fr_eval.locks import locked

from fr_models.data._digest import Progress, fingerprint_of
from fr_models.data._images import decode_whole
from fr_models.data._journal import Journal, foreign
from fr_models.data.dataset import Dataset

FOUND = np.dtype([("encoded", "<u8", 2), ("pixels", "<u8", 2), ("height", "<u4"), ("width", "<u4")])
DIGEST_BYTES = 16
DECODERS = 4
BLOCK_IMAGES = 256
KEPT_BLOCKS = 16

Rows = npt.NDArray[np.void]


def examine(
    dataset: Dataset, partial: Path | None = None, progress: Progress | None = None
) -> tuple[Rows, dict[int, ValueError]]:
    """Decode every image.

    Parameters
    ----------
    dataset : Dataset
    partial : Path, optional
        Where finished work is kept. It stays there when all is done, until `forget`.
    progress : callable, optional
        Called with the number of images done and in all.

    Returns
    -------
    rows : `FOUND` ``[N]``
        Digests of the encoded bytes and of the pixels, and the size; of an image without pixels, zeros.
    faults : dict
        By its index, why an image has none; ascending.

    Raises
    ------
    ValueError
        If what is kept is of other images, damaged, or not of this function.
    """
    rows = np.zeros(len(dataset), FOUND)
    faults: dict[int, ValueError] = {}

    def look(index: int) -> None:
        try:
            rows[index] = _row_of(dataset.read(index), dataset.name(index))
        except ValueError as fault:
            faults[index] = fault

    with _keeping(dataset, partial) as (known, keep), ThreadPoolExecutor(DECODERS) as pool:
        kept = len(known)
        rows[:kept] = known
        list(pool.map(look, np.flatnonzero(known["height"] == 0).tolist()))
        if kept and progress is not None:
            progress(kept, len(rows))
        for number, start in enumerate(range(kept, len(rows), BLOCK_IMAGES), 1):
            stop = min(start + BLOCK_IMAGES, len(rows))
            list(pool.map(look, range(start, stop)))
            if number % KEPT_BLOCKS == 0 or stop == len(rows):
                keep(rows[kept:stop])
                kept = stop
            if progress is not None:
                progress(stop, len(rows))
    return rows, dict(sorted(faults.items()))


def forget(partial: Path) -> None:
    """Remove what was kept, once the result of it is where it should be."""
    partial.unlink(missing_ok=True)
    _journal_of(partial).unlink(missing_ok=True)


def _row_of(encoded: bytes, name: str) -> tuple[Any, ...]:
    image = decode_whole(encoded, name)
    pixels = f"{image.mode} {image.size}".encode() + image.tobytes()
    digests = (hashlib.blake2b(part, digest_size=DIGEST_BYTES).digest() for part in (encoded, pixels))
    return (*(np.frombuffer(digest, "<u8") for digest in digests), image.height, image.width)


@contextmanager
def _keeping(dataset: Dataset, path: Path | None) -> Iterator[tuple[Rows, Callable[[Rows], None]]]:
    """Give the rows of earlier runs, and what brings those that follow to the disk."""
    stamp = None if path is None else dataset.stamp()
    if path is None or stamp is None:
        yield np.zeros(0, FOUND), lambda rows: None
        return
    import PIL  # another version may decode to other pixels

    journal_path = _journal_of(path)
    journal = Journal(f"{fingerprint_of(dataset)} {stamp}", f"check by Pillow {PIL.__version__}")
    with locked(path, f"{path}: another process is at this check"), path.open("r+b") as file:
        length = file.seek(0, os.SEEK_END)
        if journal_path.exists():
            kept = journal.read(journal_path)
            journal = kept if length else journal  # empty, where `forget` was killed
        elif length:
            raise foreign(path)
        if length < journal.length:
            raise ValueError(
                f"{path}: {length} bytes of unfinished work, expected {journal.length}; "
                f"delete it and {journal_path.name} to start again"
            )
        journal.write(journal_path)
        file.truncate(journal.length)
        file.seek(0)

        def keep(rows: Rows) -> None:
            nonlocal journal
            with disk_errors_named(path):
                file.write(rows.tobytes())
                file.flush()
                os.fsync(file.fileno())
            journal = replace(journal, written=journal.written + len(rows), length=file.tell())
            journal.write(journal_path)

        yield np.frombuffer(file.read(), FOUND), keep


def _journal_of(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")
