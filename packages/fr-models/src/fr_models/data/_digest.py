"""When two datasets are equal.

The digest is the SHA-256 of the class names and then, for each sample, of its label and of the SHA-256 of its
encoded image, the samples sorted by these two. Format, file names and the order of samples do not matter;
every byte of every image, every label and every class name does, and how often a sample occurs. It costs one
pass over all images.

The fingerprint is cheap and knows the order: class names, all labels, and the bytes of a few images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fr_models.data.dataset import Dataset

Progress = Callable[[int, int], None]

BLOCK_IMAGES = 512
READERS = 4
FINGERPRINT_IMAGES = 64
HASH_BYTES = 32


def digest_of(dataset: Dataset, progress: Progress | None = None, in_order: bool = False) -> str:
    """Read all images and give the digest, in hexadecimal; ``in_order``, one that depends on their order."""
    hashes = np.empty((len(dataset), HASH_BYTES), np.uint8)
    with ThreadPoolExecutor(READERS) as pool:
        blocks = range(0, len(dataset), BLOCK_IMAGES)
        for start, part in zip(
            blocks, pool.map(lambda start: _hash_block(dataset, start), blocks), strict=True
        ):
            hashes[start : start + len(part)] = part
            if progress is not None:
                progress(start + len(part), len(dataset))
    return digest_of_hashes(dataset, hashes, in_order)


def digest_of_hashes(dataset: Dataset, hashes: npt.NDArray[np.uint8], in_order: bool = False) -> str:
    """Give the digest by the SHA-256 of each image, ``uint8 [N, 32]``."""
    labels = dataset.labels.astype(">i8").view(np.uint8).reshape(-1, 8)
    rows = np.concatenate([labels, hashes], axis=1)
    order = np.arange(len(rows)) if in_order else np.lexsort(rows.view(">u8").T[::-1])
    digest = hashlib.sha256(_header(dataset))
    for start in range(0, len(order), BLOCK_IMAGES):
        digest.update(rows[order[start : start + BLOCK_IMAGES]].tobytes())
    return digest.hexdigest()


def hashes_of(images: Iterable[bytes]) -> npt.NDArray[np.uint8]:
    """Give the SHA-256 of each image, ``uint8 [n, 32]``."""
    hashes = b"".join(hashlib.sha256(image).digest() for image in images)
    return np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES)


def fingerprint_of(dataset: Dataset) -> str:
    """Tell datasets apart by class names, labels in order, and 64 images spread over them.

    An image that cannot be read counts as one without bytes.
    """
    digest = hashlib.sha256(_header(dataset))
    digest.update(dataset.labels.astype(">i8").tobytes())
    spread = np.linspace(0, len(dataset) - 1, min(len(dataset), FINGERPRINT_IMAGES)).astype(np.int64)
    for index in spread.tolist():
        image = b""
        with suppress(ValueError):
            image = dataset.read(index)
        digest.update(hashlib.sha256(image).digest())
    return digest.hexdigest()


def _hash_block(dataset: Dataset, start: int) -> npt.NDArray[np.uint8]:
    stop = min(start + BLOCK_IMAGES, len(dataset))
    return hashes_of(dataset.read(index) for index in range(start, stop))


def _header(dataset: Dataset) -> bytes:
    return json.dumps(["fr dataset", dataset.class_names]).encode()
