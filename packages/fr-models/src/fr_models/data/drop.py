"""Sub-center cleaning: images far from the dominant center of their class are dropped.

A head with K sub-centers a class lets noise settle on the lesser ones. The dominant sub-center of a class is
the one that most of its images are nearest to; an image is kept if its angle to it is at most the threshold,
75 degrees in the paper. Embeddings and class matrix are those of one network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from fr_eval.errors import ParameterError

from fr_models.data._arrays import array_names, read_arrays
from fr_models.data._rows import RowsOf
from fr_models.data.dataset import Dataset
from fr_models.data.selection import Selection

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cleaning", "class_matrix_of", "clean_by_sub_centers", "read_class_matrix"]

DEGREES = 75.0
BLOCK_ROWS = 4096
COUNTED_ROWS = 1 << 16


@dataclass(frozen=True)
class Cleaning:
    """What cleaning found.

    Attributes
    ----------
    degrees : float
        The threshold.
    angles : float32 ``[N]``
        Of each image to the dominant sub-center of its class, in degrees.
    dominant : int64 ``[C]``
        The sub-center of each class.
    counts : int64 ``[C, K]``
        Images of each class that are nearest to each of its sub-centers.
    labels : int64 ``[N]``
    class_names : list of str
    """

    degrees: float
    angles: npt.NDArray[np.float32]
    dominant: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    class_names: list[str]

    @property
    def keep(self) -> npt.NDArray[np.bool_]:
        """Whether each image is kept."""
        return self.angles <= self.degrees

    def __str__(self) -> str:
        left = len(np.unique(self.labels[self.keep]))
        return (
            f"{int(self.keep.sum()):,} of {len(self.keep):,} images kept at {self.degrees:g} degrees, "
            f"{left:,} of {len(np.unique(self.labels)):,} classes"
        )

    def selection(self, dataset: Dataset) -> Selection:
        """Select the images that are kept, without the classes that lose all of theirs.

        Raises
        ------
        ValueError
            If no image is kept.
        """
        if not self.keep.any():
            raise ValueError(
                f"no image is within {self.degrees:g} degrees of its class's dominant sub-center"
            )
        return Selection(dataset, np.flatnonzero(self.keep)).without_empty_classes()

    def to_frame(self) -> pd.DataFrame:
        """Give a row a class: images, kept, dominant sub-center, its share, median and largest angle."""
        import pandas as pd

        images = pd.DataFrame({"label": self.labels, "angle": self.angles, "kept": self.keep})
        of_class = images.groupby("label").agg(
            images=("kept", "size"),
            kept=("kept", "sum"),
            median_degrees=("angle", "median"),
            largest_degrees=("angle", "max"),
        )
        labels = of_class.index.to_numpy()
        of_class.insert(0, "class_name", [self.class_names[label] for label in labels])
        of_class["dominant"] = self.dominant[labels]
        of_class["dominant_share"] = self.counts[labels].max(axis=1) / self.counts[labels].sum(axis=1)
        return of_class.reset_index()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready settings and figures."""
        return {
            "degrees": self.degrees,
            "sub_centers": self.counts.shape[1],
            "images": len(self.keep),
            "images_kept": int(self.keep.sum()),
            "classes": len(np.unique(self.labels)),
            "classes_kept": len(np.unique(self.labels[self.keep])),
        }


def clean_by_sub_centers(
    dataset: Dataset,
    embeddings: npt.NDArray[np.float32] | RowsOf,
    class_matrix: npt.NDArray[np.floating],
    degrees: float = DEGREES,
) -> Cleaning:
    """Measure how far each image is from the dominant sub-center of its class.

    Parameters
    ----------
    dataset : Dataset
    embeddings : float32 ``[N, D]``
        Of its images, of any length; may be mapped from a file.
    class_matrix : float ``[C * K, D]``
        A class's K sub-centers side by side, as in fr-losses; a matrix of Keras_insightface is its transpose.
    degrees : float
        Images at a larger angle are not kept.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or an embedding or a dominant sub-center is zero.

    References
    ----------
    Deng et al., "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces", ECCV 2020,
    section 3.3.

    Examples
    --------
    >>> from fr_models.data import open_dataset
    >>> dataset = open_dataset("teacher.npy")  # doctest: +SKIP
    >>> print(clean_by_sub_centers(dataset, dataset.embeddings, np.load("centers.npy")))  # doctest: +SKIP
    466,276 of 490,623 images kept at 75 degrees, 10,572 of 10,572 classes
    """
    classes, rows = len(dataset.class_names), len(class_matrix)
    if not 0.0 < degrees < 180.0:
        raise ParameterError("degrees", f"expected an angle between 0 and 180, got {degrees}")
    if rows == 0 or rows % classes:
        raise ValueError(f"class matrix: expected a multiple of {classes} classes as rows, got {rows}")
    if len(embeddings) != len(dataset):
        raise ValueError(f"embeddings: expected {len(dataset)}, one an image, got {len(embeddings)}")
    if not np.isfinite(class_matrix).all():
        raise ValueError("class matrix: expected finite numbers")
    from fr_models.surgery.sub_centers import sub_center_counts

    counts = np.zeros((classes, rows // classes), np.int64)
    for start in range(0, len(embeddings), COUNTED_ROWS):
        part = slice(start, start + COUNTED_ROWS)
        counts += sub_center_counts(class_matrix, rows // classes, embeddings[part], dataset.labels[part])
    dominant = counts.argmax(axis=1)
    centers = class_matrix.reshape(classes, -1, class_matrix.shape[1])[np.arange(classes), dominant]
    angles = _angles(embeddings, centers, dataset)
    return Cleaning(degrees, angles, dominant, counts, dataset.labels, dataset.class_names)


def read_class_matrix(path: Path) -> npt.NDArray[np.floating]:
    """Read ``[C * K, D]`` from a ``.npy`` file, or from the only array of a ``.npz`` file."""
    if path.suffix == ".npz":
        names = array_names(path)
        if len(names) != 1:
            raise ValueError(
                f"{path}: expected one array, the class matrix, found {', '.join(sorted(names))}"
            )
        matrix = read_arrays(path, names)[names[0]]
    elif path.suffix == ".npy":
        try:
            matrix = np.load(path, allow_pickle=False)
        except Exception as error:  # a damaged header raises whatever its bytes spell
            raise ValueError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    else:
        raise ValueError(f"{path}: expected a .npy or .npz file with the class matrix")
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise ValueError(f"{path}: expected a float matrix, got {matrix.dtype} {list(matrix.shape)}")
    return matrix


def class_matrix_of(head: Any) -> npt.NDArray[np.floating]:
    """Copy the class matrix ``[C * K, D]`` out of a head of fr-losses.

    Parameters
    ----------
    head : keras.layers.Layer
        ``NormDense``, ``FusedMarginSoftmax`` or ``PartialFC``, built; such as ``training_model.head``.
    """
    weights = getattr(head, "class_weights", None)
    if weights is None:
        raise ValueError(f"head: expected a built layer with class_weights, got {type(head).__name__}")
    return np.asarray(weights.numpy())


def _angles(
    embeddings: npt.NDArray[np.float32] | RowsOf, centers: npt.NDArray[np.floating], dataset: Dataset
) -> npt.NDArray[np.float32]:
    """Angles in degrees, computed in float64."""
    angles = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), BLOCK_ROWS):
        rows = embeddings[start : start + BLOCK_ROWS].astype(np.float64)
        own = centers[dataset.labels[start : start + BLOCK_ROWS]].astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(own, axis=1)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if bad.size:
            name = dataset.name(start + int(bad[0]))
            raise ValueError(f"{name}: its embedding, or its class's center, is zero or not finite")
        cosines = np.einsum("nd,nd->n", rows, own) / lengths
        angles[start : start + len(rows)] = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angles
