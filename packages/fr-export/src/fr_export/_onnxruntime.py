"""ONNX files by onnxruntime, one image at a time; and the input that every runtime is timed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.errors import InputError, MissingExtraError
from numpy.typing import NDArray

TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def load(path: Path, threads: int, size: tuple[int, int] | None) -> Callable[[], None]:
    """Return a function that runs a file once.

    Raises
    ------
    InputError
        A file that onnxruntime cannot load, other than one input of images.
    MissingExtraError
        onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx", f"{path}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise InputError(f"{path}: onnxruntime cannot load it: {error}") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in TYPES:
        found = ", ".join(f"{tensor.name} {tensor.type}" for tensor in inputs)
        raise InputError(f"{path}: expected one input of float or uint8, got {found}")
    shape = [n if isinstance(n, int) else None for n in inputs[0].shape]
    values = made_up_input(free_sizes_filled(path, shape, size), np.dtype(TYPES[inputs[0].type]))

    def run() -> None:
        session.run(None, {inputs[0].name: values})

    return run


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


def made_up_input(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return seeded noise: between -1 and 1, or all codes of an integer type."""
    random = np.random.default_rng(0)
    if dtype.kind == "f":
        return random.uniform(-1, 1, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
