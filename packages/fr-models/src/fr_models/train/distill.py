"""Distillation: who the teacher is, and losses of what it gives.

A batch of a student is ``(images, targets)``, where targets are a mapping of ``labels`` and ``teacher``: the
teacher's embeddings, computed before and read beside the images, or asked for in each step. Layers that only
make shapes of student and teacher alike belong to the loss, and not to the backbone that is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fr_losses
import numpy as np
import tensorflow as tf
from fr_eval.embedders import Embedder, Preprocessing, load_embedder
from fr_losses import DistillationLoss, TrainingModel
from numpy.typing import NDArray
from tensorflow import keras

if TYPE_CHECKING:
    from fr_models.data._rows import RowsOf
    from fr_models.data.dataset import Dataset
    from fr_models.train.recipe import Recipe


@dataclass(frozen=True)
class TeacherSource:
    """Where a teacher's embeddings come from.

    Attributes
    ----------
    dim : int
        Of its embeddings.
    embedder : Embedder, optional
        Who is asked in each step; None for embeddings that batches bring with them.
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
        """Make batches of ``(images, targets)``.

        Parameters
        ----------
        data : tf.data.Dataset
            Of ``(images, labels, embeddings)``, or of ``(images, labels)`` for an embedder.
        """
        if self.embedder is None:
            return data.map(lambda images, labels, teacher: (images, {"labels": labels, "teacher": teacher}))
        return data.map(lambda images, labels: (images, {"labels": labels, "teacher": self._ask(images)}))

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
    if settings.form == "features":  # asked within the step
        return TeacherSource(0, preprocessing=preprocessing)
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


class MappedDistillation(DistillationLoss):
    """A distillation loss of embeddings of two sizes, the student's mapped by a matrix that is learned.

    Parameters
    ----------
    loss : DistillationLoss
        Of two embeddings of the teacher's size.
    dim, teacher_dim : int
        Sizes.
    """

    def __init__(self, loss: DistillationLoss, dim: int, teacher_dim: int) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self.state = keras.layers.Dense(teacher_dim, use_bias=False, name="teacher_map", dtype="float32")
        self.state.build((None, dim))

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of embeddings ``[B, T]`` of the teacher and ``[B, D]`` of the student."""
        return self.loss.call(y_true, self.state(tf.cast(y_pred, tf.float32)))


class ClassDistillation(DistillationLoss):
    """A distillation loss of cosines with classes: the teacher's with its centers, the student's with rows.

    Parameters
    ----------
    loss : DistillationLoss
        Of two ``[B, C]``.
    head : FusedMarginSoftmax
        Of the student.
    centers : float32 ``[C, T]``
        Of the teacher.
    """

    def __init__(self, loss: DistillationLoss, head: Any, centers: NDArray[np.float32]) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self._rows = head.class_weights
        self._sub_centers = head.sub_centers
        self._centers = tf.constant(np.asarray(centers, np.float32))

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of embeddings ``[B, T]`` of the teacher and ``[B, D]`` of the student."""
        teacher = _unit(y_true) @ tf.transpose(_unit(self._centers))
        student = _unit(y_pred) @ tf.transpose(_unit(self._rows))
        if self._sub_centers > 1:
            student = tf.reduce_max(
                tf.reshape(student, [-1, self._centers.shape[0], self._sub_centers]), axis=2
            )
        return self.loss.call(teacher, student)


class FeatureDistillation(DistillationLoss):
    """A loss of feature maps; where channels differ, the student's are mapped by matrices that are learned.

    Parameters
    ----------
    loss : FeatureMatching
        Of two lists of maps.
    channels : sequence of (int, int)
        Of student and teacher, in each pair of maps.
    """

    target = "maps"

    def __init__(self, loss: fr_losses.FeatureMatching, channels: Sequence[tuple[int, int]]) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self._mapped: list[Any] = []
        for number, (ours, theirs) in enumerate(channels):
            layer = None
            if ours != theirs and loss.maps == "features":
                layer = keras.layers.Dense(theirs, use_bias=False, name=f"map_{number}", dtype="float32")
                layer.build((None, None, None, ours))
            self._mapped.append(layer)
        self.state = _Layers([layer for layer in self._mapped if layer is not None])

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of maps ``(teacher's, student's)``, in the place of labels."""
        del y_pred
        teachers, students = y_true
        mapped = [
            student if layer is None else layer(tf.cast(student, tf.float32))
            for layer, student in zip(self._mapped, students, strict=True)
        ]
        return self.loss.call(teachers, mapped)


class _Layers(keras.layers.Layer):
    """Layers that a model tracks as one."""

    def __init__(self, layers: list[Any]) -> None:
        super().__init__(name="teacher_maps")
        for number, layer in enumerate(layers):
            setattr(self, f"layer_{number}", layer)
        self.built = True


class FeatureTrainingModel(TrainingModel):
    """A `TrainingModel` that also compares feature maps with those of a teacher, for a `FeatureDistillation`.

    Parameters
    ----------
    backbone, head, **model
        As in `TrainingModel`.
    teacher : keras.Model
        A graph of layers for images of the same size; it does not train, and is not saved.
    layers : sequence of (str, str)
        Names of layers of student and teacher.
    between : tuple of Preprocessing, optional
        Of student and teacher, where they differ.

    Raises
    ------
    ValueError
        If one of the networks has no such layer.
    """

    def __init__(
        self,
        backbone: Any,
        head: Any,
        teacher: Any,
        layers: Sequence[tuple[str, str]],
        between: tuple[Preprocessing, Preprocessing] | None = None,
        **model: Any,
    ) -> None:
        super().__init__(backbone, head, **model)
        students = [_output(backbone, name) for name, _ in layers]
        teachers = [_output(teacher, name) for _, name in layers]
        # in tuples, for Keras is not to take them for parts of this model
        self._student_maps = (keras.Model(backbone.inputs[0], [backbone.outputs[0], *students]),)
        self._teacher_maps = (keras.Model(teacher.inputs[0], teachers),)
        self._between = between

    def outputs_and_targets(self, inputs: Any, training: bool) -> tuple[tf.Tensor, dict[str, Any]]:
        """Embeddings ``[B, D]``, and the maps of teacher and student as ``maps``."""
        embeddings, *students = self._student_maps[0](inputs, training=training)
        theirs = inputs if self._between is None else _converted(inputs, *self._between)
        teachers = tf.nest.flatten(self._teacher_maps[0](theirs, training=False))
        return embeddings, {"maps": ([tf.stop_gradient(one) for one in teachers], students)}


def channels_of(backbone: Any, teacher: Any, layers: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Channels of the maps of pairs of layers."""
    pairs = [(_output(backbone, ours), _output(teacher, theirs)) for ours, theirs in layers]
    return [(int(ours.shape[-1]), int(theirs.shape[-1])) for ours, theirs in pairs]


def _output(network: Any, name: str) -> Any:
    for layer in network.layers:
        if layer.name == name:
            return layer.output
    raise ValueError(f"teacher.layers: {network.name} has no layer {name!r}")


def _pixels(images: NDArray[np.float32], preprocessing: Preprocessing | None) -> NDArray[np.uint8]:
    """Pixels that a student's input was made of."""
    assert preprocessing is not None
    pixels = np.clip(np.rint(images / preprocessing.scale + preprocessing.offset), 0, 255).astype(np.uint8)
    return pixels if preprocessing.colour == "RGB" else pixels[..., ::-1]


def _converted(images: tf.Tensor, student: Preprocessing, teacher: Preprocessing) -> tf.Tensor:
    """Make a teacher's input of a student's."""
    pixels = images / student.scale + student.offset
    pixels = pixels if student.colour == teacher.colour else pixels[..., ::-1]
    return (pixels - teacher.offset) * teacher.scale


def _unit(rows: Any) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(tf.convert_to_tensor(rows), tf.float32), axis=1)
