"""LFW-style ``.bin`` files: a pickled ``(encoded images, is_same)``, two images a pair."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval.errors import InputError
from fr_eval.files import replacing
from fr_eval.protocols._restricted_pickle import restricted_loads

__all__ = ["BinSet", "read_bin", "write_bin"]


@dataclass(frozen=True)
class BinSet:
    """P pairs of encoded images.

    Attributes
    ----------
    images : tuple of bytes, length 2 P
        JPEG or PNG files; pair p is images 2 p and 2 p + 1.
    is_same : ndarray of bool, shape (P,)
    """

    images: tuple[bytes, ...]
    is_same: NDArray[np.bool_]


def read_bin(path: Path) -> BinSet:
    """Read a ``.bin`` file, whichever of bytes or uint8 arrays it holds, without running its pickle.

    Raises
    ------
    InputError
        A pickle that asks for anything but lists, bytes, booleans and arrays; a damaged one; other than two
        images a pair.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    loaded = restricted_loads(content, str(path))
    if not isinstance(loaded, list) or len(loaded) != 2:
        raise InputError(f"{path}: expected a pair (images, is_same)")
    images, is_same = loaded
    if isinstance(is_same, np.ndarray):
        is_same = is_same.tolist()
    if not isinstance(images, list) or not isinstance(is_same, list) or not is_same:
        raise InputError(f"{path}: expected a list of images and a list of booleans, not empty")
    if len(images) != 2 * len(is_same):
        raise InputError(
            f"{path}: {len(images)} images for {len(is_same)} pairs, expected {2 * len(is_same)}"
        )
    if not all(isinstance(value, bool | int) and value in (0, 1) for value in is_same):
        raise InputError(f"{path}: is_same holds something else than booleans")
    return BinSet(
        tuple(_encoded(image, position, path) for position, image in enumerate(images)),
        np.array(is_same, dtype=bool),
    )


def write_bin(path: Path, images: Sequence[bytes], is_same: ArrayLike) -> None:
    """Write a ``.bin`` file that insightface and Keras_insightface read; whole or not at all.

    Parameters
    ----------
    path : Path
    images : sequence of bytes, length 2 P
        Encoded files, the two of a pair after each other.
    is_same : array of bool, shape (P,)
    """
    same = [bool(value) for value in np.asarray(is_same)]
    if len(images) != 2 * len(same):
        raise InputError(f"{path}: {len(images)} images for {len(same)} pairs, expected {2 * len(same)}")
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        pickle.dump(([bytes(image) for image in images], same), file, protocol=4)


def _encoded(image: object, position: int, path: Path) -> bytes:
    if isinstance(image, bytes):
        return image
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.size == max(image.shape, default=0)
    ):
        return image.tobytes()
    raise InputError(f"{path}: image {position} is neither bytes nor a vector of uint8")
