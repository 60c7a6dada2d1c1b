"""TFLite files by LiteRT: one image at a time, with XNNPACK or without, and what their numbers are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from fr_eval.errors import InputError

from fr_export._messages import one_line
from fr_export._timing_input import check_one_image, free_sizes_filled, made_up_input

RESOLVERS = {True: OpResolverType.AUTO, False: OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def load(path: Path, threads: int, xnnpack: bool, size: tuple[int, int] | None) -> Callable[[], None]:
    """Return a function that runs a file once.

    Raises
    ------
    InputError
        A file that LiteRT cannot load, that takes several images at a time, a free size without a sidecar.
    """
    interpreter = _interpreter(path, xnnpack, threads)
    image = _only_input(path, interpreter)
    free = _free_shape(image)
    # A free batch is one image already in the file.
    shape = free_sizes_filled(path, free, size) if None in free[1:] else [int(n) for n in image["shape"]]
    check_one_image(path, shape)
    try:
        interpreter.resize_tensor_input(image["index"], shape)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: LiteRT cannot run it: {one_line(error)}") from None
    interpreter.set_tensor(image["index"], made_up_input(shape, np.dtype(image["dtype"])))
    return lambda: interpreter.invoke()


def check_as_it_is(path: Path) -> None:
    """Refuse a file that is not timed on one image where nobody sets its input's size, as on phones."""
    image = _only_input(path, _interpreter(path, xnnpack=False, threads=1))
    check_one_image(path, [int(n) for n in image["shape"]])
    free = _free_shape(image)
    if None in free[1:]:
        raise InputError(f"{path}: its input {free} has a free size, expected a fixed one to time on phones")


def kind_of(path: Path) -> str:
    """Return the kind of a file by the types of its tensors, those of in- and output left aside.

    int16x8 has activations of 16 bits; int8 has biases of 32 bits with a scale, which dynamic range, with
    weights of 8 bits alone, has not. Both may have a head whose weights are float16.
    """
    interpreter = _interpreter(path, xnnpack=False, threads=1)
    ends = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    outer = {tensor["index"] for tensor in ends}
    inner = [tensor for tensor in interpreter.get_tensor_details() if tensor["index"] not in outer]
    types = {np.dtype(tensor["dtype"]).name for tensor in inner if tensor["dtype"] is not None}
    if "int16" in types:
        return "int16x8"
    if any(np.dtype(tensor["dtype"]) == np.int32 and _has_scale(tensor) for tensor in inner):
        return "int8"
    if "float16" in types:
        return "float16"
    return "dynamic" if "int8" in types else "float32"


def _only_input(path: Path, interpreter: Any) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = interpreter.get_input_details()
    if len(inputs) != 1:
        raise InputError(f"{path}: expected one input, got {len(inputs)}")
    return inputs[0]


def _free_shape(image: dict[str, Any]) -> list[int | None]:
    """Return an input's shape; None is free."""
    return [None if n == -1 else int(n) for n in image["shape_signature"]]


def _has_scale(tensor: dict[str, Any]) -> bool:
    return len(tensor["quantization_parameters"]["scales"]) > 0


def _interpreter(path: Path, xnnpack: bool, threads: int) -> Any:
    try:
        return Interpreter(str(path), num_threads=threads, experimental_op_resolver_type=RESOLVERS[xnnpack])
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: LiteRT cannot load it: {one_line(error)}") from None
