"""Distillation: a student network learns what a teacher network gives for the same images.

Losses are called with ``(teacher, student)``: the teacher's output takes the place of labels and gets no
gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import one_of, positive, share
from fr_losses._functions import named
from fr_losses._loss import Loss
from fr_losses._norms import norms, unit

NORM_EPSILON = 1e-5
MAPS = ("features", "attention")


class DistillationLoss(Loss):
    """What distillation losses share; called with ``(teacher, student)``, each ``[B, D]`` of any float dtype.

    Parameters
    ----------
    reduction : str
        As in every Keras loss: ``"sum_over_batch_size"``, ``"sum"`` or ``"none"``.
    name : str, optional
        Name of the loss; by default its class's, as in ``cosine_distillation``.

    Raises
    ------
    ValueError
        If a setting is out of its range, or the student's shape is not the teacher's.
    """

    target = "teacher"

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of the outputs ``[B, D]`` of teacher and student."""
        teacher, student = tf.stop_gradient(tf.cast(y_true, tf.float32)), tf.cast(y_pred, tf.float32)
        if student.shape.rank != 2 or not student.shape.is_compatible_with(teacher.shape):
            expected = f"the teacher's shape [B, D], {teacher.shape}"
            raise ValueError(f"student: expected {expected}, got {student.shape}")
        return self.losses(teacher, student)

    def losses(self, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
        """Losses ``float32[B]`` of two ``float32[B, D]``. A child overrides this, or `call`."""
        raise NotImplementedError


@_keras.serializable
class CosineDistillation(DistillationLoss):
    """1 minus the cosine of the teacher's embedding with the student's; norms are free.

    1e-5 is added to norms. Values of the teacher that are not finite, such as overflows of half precision,
    count as ``sqrt(1 / D)``. The gradient of a student's embedding of 0 is at most 100.

    Parameters
    ----------
    **settings
        As in `DistillationLoss`.

    References
    ----------
    Keras_insightface, ``distiller_loss_cosine``.

    Examples
    --------
    >>> print(cosine_distillation([[1.0, 0.0]], [[0.6, 0.8]]).numpy().round(3))
    [0.4]
    """

    def losses(self, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
        """Losses ``float32[B]``."""
        teacher = tf.where(tf.math.is_finite(teacher), teacher, math.sqrt(1.0 / teacher.shape[1]))
        return 1.0 - tf.reduce_sum(_shorter_unit(teacher) * _shorter_unit(student), axis=1)


@_keras.serializable
class EuclideanDistillation(DistillationLoss):
    """Squared Euclidean distance of the teacher's embedding and the student's; the norm is learned too.

    Parameters
    ----------
    **settings
        As in `DistillationLoss`.

    References
    ----------
    Keras_insightface, ``distiller_loss_euclidean``.
    """

    def losses(self, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return tf.reduce_sum(tf.square(student - teacher), axis=1)


@_keras.serializable
class ClassCosineDistillation(DistillationLoss):
    """Divergence ``KL(softmax(scale t) || softmax(scale s))`` of cosines with the classes, ``[B, C]``.

    Parameters
    ----------
    scale : float
        What cosines are multiplied by.
    least_probability : float
        Below it probabilities count as it, and get no gradient: 1e-7 is what Keras_insightface computes, by
        Keras's KLDivergence. 0 is the divergence itself.
    **settings
        As in `DistillationLoss`.

    References
    ----------
    Keras_insightface, ``DistillKLDivergenceLoss``, after Beyer et al., Knowledge Distillation: A Good Teacher
    Is Patient and Consistent, 2021.
    """

    def __init__(self, scale: float = 10.0, least_probability: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale = positive("scale", scale)
        self.least_probability = share("least_probability", least_probability)

    def losses(self, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return _divergence(self.scale * teacher, self.scale * student, self.least_probability)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        settings = {"scale": self.scale, "least_probability": self.least_probability}
        return {**super().get_config(), **settings}


@_keras.serializable
class SoftTargets(DistillationLoss):
    """Divergence ``T^2 KL(softmax(t / T) || softmax(s / T))`` of the logits of the classes, ``[B, C]``.

    ``T^2`` keeps the gradient's size when the temperature ``T`` changes, so that the weight beside a loss of
    the true labels need not.

    Parameters
    ----------
    temperature : float
        ``T``: the higher, the more the classes count that the teacher finds unlikely.
    **settings
        As in `DistillationLoss`.

    References
    ----------
    Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2.
    """

    def __init__(self, temperature: float = 4.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.temperature = positive("temperature", temperature)

    def losses(self, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
        """Losses ``float32[B]``."""
        return self.temperature**2 * _divergence(teacher / self.temperature, student / self.temperature)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "temperature": self.temperature}


@_keras.serializable
class FeatureMatching(DistillationLoss):
    """Mean squared difference of feature maps, summed over the pairs of layers that are compared.

    Called with the teacher's and the student's maps ``[B, ..., C]``: one of each, or two lists of as many.

    Parameters
    ----------
    maps : {"features", "attention"}
        ``features`` compares all channels, which both must have alike: a 1x1 convolution on the student's map
        makes them so. ``attention`` compares sums of squares over channels, whatever their number.
    normalise : bool
        Whether each sample's map is divided by its Euclidean norm first, as attention transfer does.
    **settings
        As in `DistillationLoss`.

    Raises
    ------
    ValueError
        If there are not as many maps of both, or two of them do not fit: the message names the pair.

    References
    ----------
    Romero et al., FitNets: Hints for Thin Deep Nets, 2015, equation 3; Zagoruyko and Komodakis, Paying More
    Attention to Attention, 2017, equation 2: both up to a constant factor.

    Examples
    --------
    >>> teacher, student = tf.ones((2, 7, 7, 64)), tf.zeros((2, 7, 7, 16))
    >>> float(FeatureMatching("attention")([teacher, teacher], [student, student]))
    8192.0
    """

    def __init__(self, maps: str = "features", normalise: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.maps = one_of("maps", maps, MAPS)
        self.normalise = normalise

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of the maps of teacher and student."""
        teachers, students = tf.nest.flatten(y_true), tf.nest.flatten(y_pred)
        if len(teachers) != len(students) or not teachers:
            raise ValueError(f"maps: expected as many of both, got {len(teachers)} and {len(students)}")
        losses = []
        for number, (teacher, student) in enumerate(zip(teachers, students, strict=True)):
            teacher, student = tf.stop_gradient(tf.cast(teacher, tf.float32)), tf.cast(student, tf.float32)
            self._check(number, teacher.shape, student.shape)
            losses.append(tf.reduce_mean(tf.square(self._flat(student) - self._flat(teacher)), axis=1))
        return tf.add_n(losses)

    def _check(self, number: int, teacher: tf.TensorShape, student: tf.TensorShape) -> None:
        compared = slice(None) if self.maps == "features" else slice(-1)
        if not teacher[compared].is_compatible_with(student[compared]):
            what = "shape" if self.maps == "features" else "spatial shape"
            raise ValueError(f"maps: in pair {number}, expected the {what} of {teacher}, got {student}")

    def _flat(self, maps: tf.Tensor) -> tf.Tensor:
        if self.maps == "attention":
            maps = tf.reduce_sum(tf.square(maps), axis=-1)
        rows = tf.reshape(maps, [tf.shape(maps)[0], -1])
        return unit(rows) if self.normalise else rows

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "maps": self.maps, "normalise": self.normalise}


def plain_function(name: str, loss: type[DistillationLoss]) -> Callable[..., tf.Tensor]:
    """Make the function ``(teacher, student, **settings) -> [B]`` of a loss class."""

    def function(teacher: Any, student: Any, **settings: Any) -> tf.Tensor:
        return loss(**settings).call(teacher, student)

    return named(name, loss, function, "teacher", "student")


def _shorter_unit(rows: tf.Tensor) -> tf.Tensor:
    """Rows divided by their norms and 1e-5, where the 1e-5 gets no gradient."""
    lengths = norms(rows)
    return unit(rows) * tf.stop_gradient(lengths / (lengths + NORM_EPSILON))[:, None]


def _divergence(teacher_logits: tf.Tensor, student_logits: tf.Tensor, least: float = 0.0) -> tf.Tensor:
    """``KL(teacher || student)`` of the softmax of rows; probabilities below ``least`` count as it."""
    teacher, student = tf.nn.log_softmax(teacher_logits), tf.nn.log_softmax(student_logits)
    if least:
        teacher, student = tf.maximum(teacher, math.log(least)), tf.maximum(student, math.log(least))
    return tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=1)


class_cosine_distillation = plain_function("class_cosine_distillation", ClassCosineDistillation)
cosine_distillation = plain_function("cosine_distillation", CosineDistillation)
euclidean_distillation = plain_function("euclidean_distillation", EuclideanDistillation)
feature_matching = plain_function("feature_matching", FeatureMatching)
soft_targets = plain_function("soft_targets", SoftTargets)
