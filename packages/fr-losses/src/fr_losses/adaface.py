"""AdaFace: a margin that adapts to the quality of the image, read off the norm of the embedding."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import angles
from fr_losses._checks import cosine_margin, finite, positive, share
from fr_losses._class_cosines import ClassCosines
from fr_losses._state import LossState
from fr_losses.margin_loss import MarginLoss, plain_function

EPSILON = 1e-3
LEAST_NORM, LARGEST_NORM = 1e-3, 100.0


@_keras.serializable
class AdaFace(MarginLoss):
    """Logit ``s (cos(theta - margin z) - (margin + margin z))`` for the target's angle ``theta``.

    ``z = clip(concentration (|x| - mean) / std, -1, 1)`` tells how far the norm is from the mean of all;
    ``mean`` and ``std`` are moving averages of each batch's, moved before its losses are computed. The norm
    gets no gradient.

    Parameters
    ----------
    margin : float in [0, 1]
        The paper's ``m``.
    concentration : float
        The paper's ``h``.
    momentum : float
        Weight of a batch in the moving averages.
    mean, std : float
        The loss's state.
    **settings
        As in `MarginLoss`.

    Notes
    -----
    Several replicas average what each finds in its part of the batch, which is not quite what one replica
    finds.

    References
    ----------
    Kim et al., AdaFace: Quality Adaptive Margin for Face Recognition, 2022.
    """

    uses_norms = True

    def __init__(
        self,
        margin: float = 0.4,
        concentration: float = 0.333,
        momentum: float = 0.01,
        mean: float = 20.0,
        std: float = 100.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if cosine_margin("margin", margin) > 1:
            raise ValueError(f"margin: expected at most 1, got {margin!r}: cosines lose up to twice as much")
        self.margin = margin
        self.concentration = finite("concentration", concentration)
        self.momentum = share("momentum", momentum)
        self.state = LossState(mean=finite("mean", mean), std=positive("std", std))

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Move mean and standard deviation (ddof 1) of the norms; a single sample has no deviation."""
        del cosines
        held = _held(norms)
        count = tf.cast(tf.shape(held)[0], tf.float32)
        mean = tf.reduce_mean(held)
        std = tf.sqrt(tf.reduce_sum(tf.square(held - mean)) / (count - 1.0))
        self.move_average("mean", mean, self.momentum)
        self.move_average("std", std, self.momentum)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin of each norm."""
        deviation = (_held(norms) - self.state_value("mean")) / (self.state_value("std") + EPSILON)
        part = tf.clip_by_value(deviation * self.concentration, -1.0, 1.0)
        angle = tf.clip_by_value(angles(target) - self.margin * part, EPSILON, math.pi - EPSILON)
        return tf.cos(angle) - (self.margin + self.margin * part)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "concentration": self.concentration,
            "momentum": self.momentum,
        }


def _held(norms: tf.Tensor | None) -> tf.Tensor:
    return tf.stop_gradient(tf.clip_by_value(norms, LEAST_NORM, LARGEST_NORM))


adaface = plain_function("adaface", AdaFace)
