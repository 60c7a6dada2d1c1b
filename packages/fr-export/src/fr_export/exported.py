"""What an export gave: a file that was run, beside the model that it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.errors import InputError
from numpy.typing import NDArray

__all__ = ["Exported"]

N_IMAGES = 8
LEAST_EXACT_COSINE = 0.9999


@dataclass(frozen=True)
class Exported:
    """A written file, and how far its embeddings are from the source's.

    Attributes
    ----------
    path : Path
        The file; its sidecar ``.json`` is beside it.
    kind : str
        ``float32``, ``dynamic``, ``float16``, ``int8``, ``int16x8``, ``onnx`` or ``saved_model``.
    size_bytes : int
        Of the file, or of all files of a folder.
    n_images : int
        That both networks embedded.
    min_cosine, mean_cosine : float
        Between the embeddings of an image.
    max_difference : float
        Of two numbers of an image's embeddings.
    """

    path: Path
    kind: str
    size_bytes: int
    n_images: int
    min_cosine: float
    mean_cosine: float
    max_difference: float

    def to_json(self) -> dict[str, Any]:
        """Return the figures; the path as its name."""
        return asdict(self) | {"path": self.path.name}


def measured(
    path: Path,
    kind: str,
    size_bytes: int,
    expected: NDArray[np.float32],
    received: NDArray[np.float32],
    exact: bool,
) -> Exported:
    """Compare the embeddings of a file with the source's.

    Raises
    ------
    InputError
        Embeddings of another shape, not finite or zero; of an exact kind, others than the source's.
    """
    if received.shape != expected.shape:
        raise InputError(f"{path}: {kind}: embeddings of shape {received.shape}, expected {expected.shape}")
    for name, rows in (("the model", expected), (f"its {kind} file", received)):
        if not np.isfinite(rows).all():
            raise InputError(f"{path}: {name} gives embeddings that are not finite")
        if not rows.any(axis=1).all():
            raise InputError(f"{path}: {name} gives embeddings of zeros; has the model been trained?")
    a, b = expected.astype(np.float64), received.astype(np.float64)
    cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    if exact and cosines.min() < LEAST_EXACT_COSINE:
        raise InputError(
            f"{path}: {kind}: embeddings of cosine {cosines.min():.6f} to the model's, expected more than "
            f"{LEAST_EXACT_COSINE}"
        )
    return Exported(
        path,
        kind,
        size_bytes,
        len(a),
        float(cosines.min()),
        float(cosines.mean()),
        float(np.abs(a - b).max()),
    )


def comparison_images(images: NDArray[np.uint8] | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the images that source and file are compared on: the first given ones, or seeded noise."""
    if images is not None:
        return images[:N_IMAGES]
    coarse = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 7, 7, 3), dtype=np.uint8)
    rows = np.arange(size[0]) * 7 // size[0]
    columns = np.arange(size[1]) * 7 // size[1]
    return np.ascontiguousarray(coarse[:, rows][:, :, columns])
