"""The input that every runtime is timed on: one made-up image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.errors import InputError
from numpy.typing import NDArray


def free_sizes_filled(path: Path, shape: Sequence[int | None], size: tuple[int, int] | None) -> list[int]:
    """Return an input's shape for one image, of the size of the sidecar where the file leaves it free."""
    places = [2, 3] if len(shape) == 4 and shape[1] == 3 else [1, 2]
    filled = [1 if position == 0 and n is None else n for position, n in enumerate(shape)]
    for place, n in zip(places, size or (None, None), strict=True):
        if len(filled) == 4 and filled[place] is None:
            filled[place] = n
    known = [n for n in filled if n is not None]
    if len(known) < len(shape):
        raise InputError(f"{path}: its input {list(shape)} has a free size: write {path.stem}.json beside it")
    return known


def check_one_image(path: Path, shape: Sequence[int]) -> None:
    """Refuse an input of several images: the time of a batch is not that of an image."""
    if list(shape[:1]) != [1]:
        raise InputError(f"{path}: its input is {list(shape)}, expected one image, or a free batch, to time")


def made_up_input(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return seeded noise: between -1 and 1, or all codes of an integer type."""
    random = np.random.default_rng(0)
    if dtype.kind == "f":
        return random.uniform(-1, 1, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
