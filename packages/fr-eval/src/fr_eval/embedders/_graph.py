"""What the runtimes share: image in, embedding out, whatever the layout and the batch size of the graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders._preprocessing import Preprocessing
from fr_eval.errors import InputError

__all__ = ["GraphEmbedder", "typed"]


class GraphEmbedder(ABC):
    """A network with one image input; a child loads it and runs one batch.

    Parameters
    ----------
    model : Path
    preprocessing : Preprocessing
    input_shape : sequence of int or None
        The graph's own: batch, then channels first or last; None is a free dimension.

    Raises
    ------
    InputError
        An input that is not images of the preprocessing's size.

    Attributes
    ----------
    packages : tuple of str
        Whose versions decide what the network gives.
    """

    packages: ClassVar[tuple[str, ...]]

    def __init__(self, model: Path, preprocessing: Preprocessing, input_shape: Sequence[int | None]) -> None:
        self.model = model
        self.preprocessing = preprocessing
        self._batch = input_shape[0]
        height, width = preprocessing.size
        layouts = {True: (3, height, width), False: (height, width, 3)}
        fitting = [first for first, wanted in layouts.items() if _fits(input_shape[1:], wanted)]
        if not fitting:
            shape = list(input_shape)
            raise InputError(
                f"{model}: its input has shape {shape}, the preprocessing says {height}x{width} pixels"
            )
        if len(fitting) == 2:
            raise InputError(
                f"{model}: its input leaves all dimensions free, expected the channels to be fixed at 3"
            )
        self._channels_first = fitting[0]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings ``[B, D]`` of uint8 RGB images ``[B, H, W, 3]``."""
        inputs = self.preprocessing.apply(images)
        if self._channels_first:
            inputs = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
        embeddings = self._run_in_batches(inputs)
        if embeddings.ndim != 2:
            raise InputError(
                f"{self.model}: its output has shape {embeddings.shape}, expected (batch, dimensions)"
            )
        return self._decoded(embeddings)

    @abstractmethod
    def _run(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        """Run one batch of the graph's batch size; integers are codes that the sidecar explains."""

    def _decoded(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """Return embeddings as floats; unsigned codes are nothing without their zero point."""
        codes = self.preprocessing.codes
        if outputs.dtype.kind not in "iu" or (codes is None and outputs.dtype.kind == "i"):
            return outputs.astype(np.float32, copy=False)
        if codes is None:
            raise InputError(
                f"{self.model}: gives {outputs.dtype} codes of unknown zero point, expected its sidecar to "
                'tell "codes": {"scale": ..., "zero_point": ...}'
            )
        return codes.decode(outputs)

    def _run_in_batches(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        """Fill the last batch of a fixed size with copies, and drop what they give."""
        if self._batch is None:
            return self._run(inputs)
        outputs = []
        for start in range(0, len(inputs), self._batch):
            part = inputs[start : start + self._batch]
            filled = np.concatenate([part, np.repeat(part[-1:], self._batch - len(part), axis=0)])
            outputs.append(self._run(filled)[: len(part)].copy())
        return np.concatenate(outputs)


def typed(inputs: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Return a network's input as the floats that it is, or, of ``uint8``, as the pixels next to them."""
    return np.rint(inputs).clip(0, 255).astype(np.uint8) if dtype == "uint8" else inputs


def _fits(shape: Sequence[int | None], wanted: tuple[int, int, int]) -> bool:
    return len(shape) == 3 and all(n in (None, w) for n, w in zip(shape, wanted, strict=True))
