"""Losses of feature maps: a student that trains beside its teacher, in one model.

The teacher does not train, and is neither saved nor exported; nor are the matrices that bring the channels of
maps together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fr_losses
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from fr_losses import DistillationLoss, TrainingModel
from tensorflow import keras

__all__ = ["FeatureDistillation", "FeatureTrainingModel", "channels_of"]


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


class _Layers(keras.layers.Layer):
    """Layers that a model tracks as one."""

    def __init__(self, layers: list[Any]) -> None:
        super().__init__(name="teacher_maps")
        for number, layer in enumerate(layers):
            setattr(self, f"layer_{number}", layer)
        self.built = True


def _converted(images: tf.Tensor, student: Preprocessing, teacher: Preprocessing) -> tf.Tensor:
    """Make a teacher's input of a student's."""
    pixels = images / student.scale + student.offset
    pixels = pixels if student.colour == teacher.colour else pixels[..., ::-1]
    return (pixels - teacher.offset) * teacher.scale
