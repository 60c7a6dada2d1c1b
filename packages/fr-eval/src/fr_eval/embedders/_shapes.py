"""Checks that runtimes share: what a graph's input and output look like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError


def is_channels_first(model: Path, shape: list[int | None], size: tuple[int, int]) -> bool:
    """Say whether an image input is [B, 3, H, W] rather than [B, H, W, 3]; None is a free dimension."""
    for channels_first, wanted in ((True, (3, *size)), (False, (*size, 3))):
        if len(shape) == 4 and all(n in (None, w) for n, w in zip(shape[1:], wanted, strict=True)):
            return channels_first
    raise InputError(
        f"{model}: its input has shape {shape}, the preprocessing says {size[0]}x{size[1]} pixels"
    )


def run_in_batches(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], inputs: NDArray[np.float32], batch: int | None
) -> NDArray[np.float32]:
    """Run a graph whose batch size is fixed: the last batch is filled with copies that are dropped."""
    if batch is None:
        return run(inputs)
    outputs = []
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch]
        filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        outputs.append(run(filled)[: len(part)].copy())
    return np.concatenate(outputs)


def as_embeddings(model: Path, output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a graph's output as float32 rows."""
    if output.ndim != 2:
        raise InputError(f"{model}: its output has shape {output.shape}, expected (batch, dimensions)")
    return np.asarray(output, dtype=np.float32)
