"""What an export gave: a file that was run, beside the model that it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval.embedders import load_embedder
from fr_eval.errors import InputError, MissingExtraError
from fr_eval.images import check_size
from numpy.typing import NDArray

from fr_export._messages import one_line
from fr_export._source import Source

__all__ = ["Exported"]

N_IMAGES = 8
LEAST_EXACT_COSINE = 0.99999
LEAST_EXACT_COSINE_OF_CODES = 0.9999  # what lies between two codes may become either
# Mean cosines that trained networks keep in kinds that round.
LEAST_MEAN_COSINE = {"float16": 0.9999, "dynamic": 0.99, "int8": 0.98, "int16x8": 0.99}


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
        That both networks embedded; int8 and int16x8 were not calibrated on them, if there were 4 or more.
    min_cosine, mean_cosine : float
        Between the embeddings of an image.
    max_difference : float
        Of two numbers of an image's embeddings, as the networks give them: of any length.
    """

    path: Path
    kind: str
    size_bytes: int
    n_images: int
    min_cosine: float
    mean_cosine: float
    max_difference: float

    @property
    def warning(self) -> str:
        """Say whether the embeddings lost more than those of trained networks do; empty if they did not."""
        least = LEAST_MEAN_COSINE.get(self.kind)
        if least is None or self.mean_cosine >= least:
            return ""
        return (
            f"{self.path}: {self.kind}: mean cosine {self.mean_cosine:.4f} to the model, trained networks "
            f"keep {least} or more: has the model been trained, are the images faces as it wants them?"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures; the path as its name."""
        return asdict(self) | {"path": self.path.name}


def measured(
    path: Path,
    kind: str,
    size_bytes: int,
    source: Source,
    images: NDArray[np.uint8],
    received: NDArray[np.float32],
    exact: bool,
) -> Exported:
    """Compare a file's embeddings of images with the source's.

    Raises
    ------
    InputError
        Embeddings of another shape, not finite or zero; of an exact kind, others than the source's.
    """
    expected = source.embed(images)
    if received.shape != expected.shape:
        raise InputError(f"{path}: {kind}: embeddings of shape {received.shape}, expected {expected.shape}")
    for name, rows in (("the model", expected), (f"its {kind} file", received)):
        if not np.isfinite(rows).all():
            raise InputError(f"{path}: {name} gives embeddings that are not finite")
        if not rows.any(axis=1).all():
            raise InputError(f"{path}: {name} gives embeddings of zeros; has the model been trained?")
    a, b = expected.astype(np.float64), received.astype(np.float64)
    cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    least = LEAST_EXACT_COSINE if source.quantise is None else LEAST_EXACT_COSINE_OF_CODES
    if exact and cosines.min() < least:
        raise InputError(
            f"{path}: {kind}: embeddings of cosine {cosines.min():.7f} to the model's, expected {least} "
            "or more"
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


def run_file(temporary: Path, path: Path, source: Source, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed images by a file that was just converted and has not got its name, `path`, yet.

    Raises
    ------
    InputError
        It does not run: what its runtime says, in one line.
    """
    try:
        return load_embedder(temporary, source.preprocessing)(images)
    except MissingExtraError:
        raise
    except Exception as error:  # the runtimes' errors have no public base class
        reason = one_line(error).removeprefix(f"{temporary}: ").replace(str(temporary), path.name)
        raise InputError(f"{path}: was converted but does not run: {reason}") from None


def check_images(images: NDArray[np.uint8], size: tuple[int, int], what: str) -> None:
    """Refuse other than uint8 images ``(N, H, W, 3)`` of the model's size, one or more."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or len(images) == 0:
        raise InputError(f"{what}: expected uint8 images (N, H, W, 3), got {images.dtype} {images.shape}")
    check_size(images[0], size, what)


def comparison_images(
    images: NDArray[np.uint8] | None, size: tuple[int, int], what: str = "images"
) -> NDArray[np.uint8]:
    """Return the images that source and file are compared on: the first given ones, or seeded noise.

    Raises
    ------
    InputError
        What `check_images` refuses.
    """
    if images is not None:
        check_images(images, size, what)
        return images[:N_IMAGES]
    coarse = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 7, 7, 3), dtype=np.uint8)
    rows = np.arange(size[0]) * 7 // size[0]
    columns = np.arange(size[1]) * 7 // size[1]
    return np.ascontiguousarray(coarse[:, rows][:, :, columns])


def held_back(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Part the images to calibrate on from a few, evenly spaced, to compare on: a quarter, 8 at most.

    Fewer than 4 images serve both.
    """
    count = min(N_IMAGES, len(images) // 4)
    if count == 0:
        return images, images
    places = np.arange(count) * len(images) // count
    return np.delete(images, places, axis=0), images[places]
