"""What an export gave: a file that was run, beside the model that it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fr_eval.embedders import load_embedder
from fr_eval.errors import InputError, MissingExtraError
from fr_eval.images import check_size
from fr_eval.model_files import written_with_sidecar
from numpy.typing import NDArray

from fr_export._files import size_of
from fr_export._messages import one_line
from fr_export._source import Source
from fr_export.kinds import CALIBRATED
from fr_export.parity import LARGEST_IMPOSTOR_MEAN, untold_faces

__all__ = ["Exported"]

N_IMAGES = 8
N_CALIBRATED = 64  # that the source must tell apart, of all that a file was calibrated on
LEAST_EXACT_COSINE = 0.99999
LEAST_EXACT_COSINE_OF_CODES = 0.9999  # what lies between two codes may become either
# Mean cosines that trained networks keep in kinds that round.
LEAST_MEAN_COSINE = {"float16": 0.9999, "dynamic": 0.99, "int8": 0.98, "int16x8": 0.99}
LEAST_CALIBRATED_COSINE = 0.5  # of what rounding leaves; less is a fault


@dataclass(frozen=True)
class Exported:
    """A written file, and how far its embeddings are from the source's.

    Attributes
    ----------
    path : Path
        The file; its sidecar ``.json`` is beside it.
    kind : str
        ``float32``, ``dynamic``, ``float16``, ``int8``, ``int16x8``, ``onnx``, ``saved_model`` or ``keras``.
    size_bytes : int
        Of the file, or of all files of a folder.
    n_images : int
        That both networks embedded; int8 and int16x8 were not calibrated on them, if there were 4 or more.
    min_cosine, mean_cosine : float
        Between the embeddings of an image.
    max_difference : float
        Of two numbers of an image's embeddings, as the networks give them: of any length.
    tells_apart : bool
        Whether the model's own embeddings of different images differ, as those of a trained network do; False
        of one image, which does not show it.
    calibration_cosine : float or None
        Mean between the model's own embeddings of the images that an int8 or int16x8 file was calibrated on;
        None of a single one.
    """

    path: Path
    kind: str
    size_bytes: int
    n_images: int
    min_cosine: float
    mean_cosine: float
    max_difference: float
    tells_apart: bool
    calibration_cosine: float | None = None

    @property
    def warning(self) -> str:
        """Say whether the embeddings lost more than those of trained networks do, or on what it may rest.

        Empty if they did not, and the model tells the images apart that an int8 or int16x8 file rests on.
        """
        least = LEAST_MEAN_COSINE.get(self.kind)
        if least is None or self.mean_cosine >= least:
            return self._warning_of_calibration()
        if not self.tells_apart:
            advice = "has the model been trained, are the images faces as it wants them?"
        elif self.kind in CALIBRATED:
            advice = "are the representative images faces as it wants them, and enough?"
        else:
            advice = "its weights need a kind of more bits"
        return (
            f"{self.path}: {self.kind}: mean cosine {self.mean_cosine:.4f} to the model, trained networks "
            f"keep {least} or more: {advice}"
        )

    def _warning_of_calibration(self) -> str:
        cosine = self.calibration_cosine
        if cosine is None or cosine <= LARGEST_IMPOSTOR_MEAN:
            return ""
        figures = f"mean cosine of representative images {cosine:.3f}"
        return f"{self.path}: {self.kind}: {untold_faces('the model', figures)}"


def exported(
    path: Path,
    kind: str,
    source: Source,
    images: NDArray[np.uint8],
    write: Callable[[Path], None],
    exact: bool = True,
    calibrated: NDArray[np.uint8] | None = None,
) -> Exported:
    """Write a file and its sidecar, which take their names when the file has run and gives the embeddings.

    Parameters
    ----------
    path : Path
        The file's name.
    kind : str
    source : Source
    images : ndarray of uint8, shape (N, H, W, 3)
        What file and source are compared on.
    write : callable
        Writes the file under another name.
    exact : bool
        Whether the file rounds nothing.
    calibrated : ndarray of uint8, shape (N, H, W, 3), optional
        Images that the file is calibrated on.

    Raises
    ------
    InputError
        Embeddings of the source that are not finite or zero, before anything is written; a file that does not
        run, or gives embeddings of another shape, not finite or zero; of an exact kind, others than the
        source's; of a calibrated one, far from those of a source that tells the images apart.
    """
    expected = source.embed(images)
    _check_embeddings(expected, path, "the model")
    with written_with_sidecar(path, source.preprocessing) as temporary:
        write(temporary)
        received = _run_file(temporary, path, source, images)
        return _compared(path, kind, size_of(temporary), source, expected, received, exact, calibrated)


def _compared(
    path: Path,
    kind: str,
    size_bytes: int,
    source: Source,
    expected: NDArray[np.float32],
    received: NDArray[np.float32],
    exact: bool,
    calibrated: NDArray[np.uint8] | None,
) -> Exported:
    if received.shape != expected.shape:
        raise InputError(f"{path}: {kind}: embeddings of shape {received.shape}, expected {expected.shape}")
    _check_embeddings(received, path, f"its {kind} file")
    a, b = expected.astype(np.float64), received.astype(np.float64)
    cosines = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    least = LEAST_EXACT_COSINE if source.codes is None else LEAST_EXACT_COSINE_OF_CODES
    if exact and cosines.min() < least:
        raise InputError(
            f"{path}: {kind}: embeddings of cosine {cosines.min():.7f} to the model's, expected {least} "
            "or more"
        )
    tells_apart = source.trained and _mean_cosine(a) <= LARGEST_IMPOSTOR_MEAN
    if kind in CALIBRATED and tells_apart and cosines.mean() < LEAST_CALIBRATED_COSINE:
        raise InputError(
            f"{path}: {kind}: mean cosine {cosines.mean():.4f} to the model over {len(a)} images that it "
            f"tells apart, expected {LEAST_CALIBRATED_COSINE} or more: are the representative images faces "
            "as it wants them?"
        )
    return Exported(
        path,
        kind,
        size_bytes,
        len(a),
        float(cosines.min()),
        float(cosines.mean()),
        float(np.abs(a - b).max()),
        tells_apart,
        None
        if calibrated is None or len(calibrated) < 2
        else _mean_cosine(source.embed(_some(calibrated)).astype(np.float64)),
    )


def _check_embeddings(rows: NDArray[np.float32], path: Path, name: str) -> None:
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: {name} gives embeddings that are not finite")
    if not rows.any(axis=1).all():
        raise InputError(f"{path}: {name} gives embeddings of zeros; has the model been trained?")


def _some(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a few images, evenly spaced: neighbours may be of one person."""
    return images[:: -(-len(images) // N_CALIBRATED)]


def _mean_cosine(embeddings: NDArray[np.float64]) -> float:
    """Return the mean cosine between different images, near 1 of a fresh network; 1 of a single image."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), k=1)
    cosines = np.sum(unit[first] * unit[second], axis=1)
    return float(cosines.mean()) if len(cosines) else 1.0


def _run_file(temporary: Path, path: Path, source: Source, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed images by a file that has not got its name, `path`, yet; its runtime's error in one line."""
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


def calibration_split(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Part the images to calibrate on from a few, evenly spaced, to compare on: a quarter, 8 at most.

    Fewer than 4 images serve both.
    """
    count = min(N_IMAGES, len(images) // 4)
    if count == 0:
        return images, images
    places = np.arange(count) * len(images) // count
    return np.delete(images, places, axis=0), images[places]
