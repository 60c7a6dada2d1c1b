"""ONNX files by onnxruntime, one image at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from fr_eval.errors import InputError, MissingExtraError

from fr_export._messages import one_line
from fr_export._timing_input import check_one_image, free_sizes_filled, made_up_input

TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def load(path: Path, threads: int, size: tuple[int, int] | None) -> Callable[[], None]:
    """Return a function that runs a file once.

    Raises
    ------
    InputError
        A file that onnxruntime cannot load, other than one input of images, several images at a time.
    MissingExtraError
        onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "fr-export[onnx]", f"{path}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no public base class
        raise InputError(f"{path}: onnxruntime cannot load it: {one_line(error)}") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in TYPES:
        found = ", ".join(f"{tensor.name} {tensor.type}" for tensor in inputs)
        raise InputError(f"{path}: expected one input of float or uint8, got {found}")
    free = [n if isinstance(n, int) else None for n in inputs[0].shape]
    shape = free_sizes_filled(path, free, size)
    check_one_image(path, shape)
    values = made_up_input(shape, np.dtype(TYPES[inputs[0].type]))

    def run() -> None:
        session.run(None, {inputs[0].name: values})

    return run
