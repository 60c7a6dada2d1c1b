"""Images that stand for what a network will see, to take the ranges of its activations from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_eval import EmbeddingSet
from fr_eval.errors import InputError, ParameterError
from fr_eval.images import check_size, decode_image, read_image
from fr_eval.protocols import list_images, read_bin
from numpy.typing import NDArray

__all__ = ["representative_images"]


def representative_images(
    source: str | Path | EmbeddingSet,
    size: tuple[int, int],
    count: int = 200,
    seed: int = 0,
    folder: str | Path | None = None,
) -> NDArray[np.uint8]:
    """Read a seeded choice of images.

    Parameters
    ----------
    source : path or EmbeddingSet
        A folder of images, a ``.bin``, or an embedding set (or its ``.npz``) whose file names lie in
        `folder`.
    size : tuple of int
        Height and width that all of them must have.
    count : int
        How many, or all if there are fewer.
    seed : int
        Of the choice.
    folder : path, optional
        Where the images of an embedding set are.

    Returns
    -------
    ndarray of uint8, shape (N, H, W, 3)
        RGB.

    Raises
    ------
    InputError
        No images, one that cannot be decoded or has another size: it is named.

    Examples
    --------
    >>> images = representative_images("faces", (112, 112))  # doctest: +SKIP
    >>> images.shape  # doctest: +SKIP
    (200, 112, 112, 3)
    """
    if count < 1:
        raise ParameterError("count", f"expected 1 or more, got {count}")
    if not isinstance(source, EmbeddingSet) and Path(source).suffix == ".bin":
        return _of_bin(Path(source), size, count, seed)
    root, names = _names(source, folder)
    images = []
    for name in (names[i] for i in _chosen(len(names), count, seed)):
        images.append(read_image(root / name))
        check_size(images[-1], size, str(root / name))
    return np.stack(images)


def check_source(path: Path) -> None:
    """Refuse a file that is neither a ``.bin`` nor an embedding set."""
    if path.is_file() and path.suffix not in (".bin", ".npz"):
        raise InputError(f"{path}: expected a folder of images, a .bin or an embedding set (.npz)")


def _names(source: str | Path | EmbeddingSet, folder: str | Path | None) -> tuple[Path, list[str]]:
    if not isinstance(source, EmbeddingSet) and Path(source).suffix != ".npz":
        check_source(Path(source))
        return Path(source), list(list_images(Path(source)))
    what = "embedding set" if isinstance(source, EmbeddingSet) else str(source)
    embedding_set = source if isinstance(source, EmbeddingSet) else EmbeddingSet.load(Path(source))
    if embedding_set.filenames is None:
        raise InputError(f"{what}: has no file names, expected those of its images")
    if folder is None:
        raise InputError(f"{what}: the folder of its images is unknown: give folder=")
    return Path(folder), [str(name) for name in embedding_set.filenames]


def _of_bin(path: Path, size: tuple[int, int], count: int, seed: int) -> NDArray[np.uint8]:
    encoded = read_bin(path).images
    images = []
    for position in _chosen(len(encoded), count, seed):
        what = f"{path}: image {position}"
        images.append(decode_image(encoded[position], what))
        check_size(images[-1], size, what)
    return np.stack(images)


def _chosen(total: int, count: int, seed: int) -> list[int]:
    return sorted(np.random.default_rng(seed).permutation(total)[:count].tolist())
