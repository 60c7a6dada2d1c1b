"""Who the teacher of a student is, and where what it gives comes from.

A batch of a student is ``(images, targets)``, where targets are a mapping of ``labels`` and ``teacher``: the
teacher's embeddings, computed before and read beside the images, or asked for in each step. A teacher of
feature maps is a part of the model that trains (`fr_models.train.feature_distillation`), and batches bring
nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Embedder, Preprocessing, load_embedder
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fr_models.data._rows import RowsOf
    from fr_models.data.dataset import Dataset
    from fr_models.train.recipe import Recipe

__all__ = ["TeacherSource", "teacher_centers", "teacher_of"]


@dataclass(frozen=True)
class TeacherSource:
    """Where a teacher's embeddings come from.

    Attributes
    ----------
    dim : int
        Of its embeddings; 0 for a teacher of feature maps.
    embedder : Embedder, optional
        Who is asked in each step; without one, batches bring the embeddings with them.
    preprocessing : Preprocessing, optional
        Of the student, which is undone for the embedder.
    centers : float32 ``[C, T]``, optional
        The teacher's mean embedding of each class, as unit vectors.
    """

    dim: int
    embedder: Embedder | None = None
    preprocessing: Preprocessing | None = None
    centers: NDArray[np.float32] | None = None

    def batches(self, data: tf.data.Dataset) -> tf.data.Dataset:
        """Make batches of ``(images, targets)``; targets are labels alone for a teacher of feature maps.

        Parameters
        ----------
        data : tf.data.Dataset
            Of ``(images, labels, embeddings)`` for a teacher without an embedder, of ``(images, labels)`` for
            others.
        """
        if not self.dim:
            return data.map(lambda images, labels, *_: (images, labels))
        if self.embedder is None:
            return data.map(lambda images, labels, teacher: (images, {"labels": labels, "teacher": teacher}))
        asked = data.map(lambda images, labels: (images, {"labels": labels, "teacher": self._ask(images)}))
        return asked.prefetch(1)  # so that it computes while the student trains

    def _ask(self, images: tf.Tensor) -> tf.Tensor:
        embeddings = tf.numpy_function(self.embed, [images], tf.float32, stateful=False)
        return tf.ensure_shape(embeddings, (images.shape[0], self.dim))

    def embed(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Teacher's embeddings ``[B, T]`` of the student's input ``[B, H, W, 3]``."""
        assert self.embedder is not None
        return np.asarray(self.embedder(_pixels(images, self.preprocessing)), np.float32)


def teacher_of(recipe: Recipe, dataset: Dataset) -> TeacherSource | None:
    """Find the teacher of a recipe, if a stage distils.

    Raises
    ------
    ValueError
        If there is none, neither a model nor embeddings beside the images; the message names the key.
    """
    if not any(recipe.stage(number).distills for number in range(len(recipe.stages))):
        return None
    data, settings = recipe.data, recipe.teacher
    height, width, _ = recipe.model.input_shape
    preprocessing = Preprocessing((height, width), data.scale, data.offset, data.colour)
    classes = len(dataset.class_names)
    if settings is None or settings.model is None:
        if dataset.embeddings is None:
            raise ValueError("teacher.model: missing, and there are no embeddings beside the images")
        centers = teacher_centers(dataset.embeddings, dataset.labels, classes)
        return TeacherSource(int(dataset.embeddings.shape[1]), centers=centers)
    if settings.form == "features":  # the model has it
        return TeacherSource(0)
    if settings.form == "classes":
        raise ValueError("teacher.form: 'classes' expects embeddings beside the images, not a teacher.model")
    embedder = load_embedder(Path(settings.model))
    blank = np.zeros((1, height, width, 3), np.uint8)
    return TeacherSource(int(np.asarray(embedder(blank)).shape[1]), embedder, preprocessing)


def teacher_centers(
    embeddings: NDArray[np.float32] | RowsOf, labels: NDArray[np.int64], classes: int
) -> NDArray[np.float32]:
    """Mean of the unit embeddings of each class, as a unit vector; 0 for a class without any.

    Examples
    --------
    >>> teacher_centers(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([1, 1]), classes=2).round(3)
    array([[0.   , 0.   ],
           [0.707, 0.707]], dtype=float32)
    """
    sums = np.zeros((classes, embeddings.shape[1]), np.float64)
    for start in range(0, len(labels), 65_536):
        part = np.asarray(embeddings[start : start + 65_536], np.float64)
        part = np.where(np.isfinite(part), part, 0.0)
        lengths = np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        np.add.at(sums, labels[start : start + 65_536], part / lengths)
    return (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _pixels(images: NDArray[np.float32], preprocessing: Preprocessing | None) -> NDArray[np.uint8]:
    """Pixels that a student's input was made of."""
    assert preprocessing is not None
    pixels = np.clip(np.rint(images / preprocessing.scale + preprocessing.offset), 0, 255).astype(np.uint8)
    return pixels if preprocessing.colour == "RGB" else pixels[..., ::-1]
