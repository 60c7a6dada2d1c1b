"""AirFace (Li-ArcFace): a margin on angles that enter the logits linearly."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import linear_angles
from fr_losses._checks import one_of, radians
from fr_losses._class_cosines import ClassCosines
from fr_losses._negatives import PLAIN, LinearAngles, Negatives
from fr_losses.margin_loss import MarginLoss, plain_function


@_keras.serializable
class AirFace(MarginLoss):
    """Logit ``s (pi - 2 (theta + margin)) / pi`` for the target's angle ``theta``.

    Parameters
    ----------
    margin : float in [0, pi)
        In radians.
    others : {"angle", "cosine"}
        Logits of other classes: ``s (pi - 2 theta_j) / pi``, the paper's, or ``s c_j``, Keras_insightface's.
    **settings
        As in `MarginLoss`.

    References
    ----------
    Li et al., AirFace: Lightweight and Efficient Model for Face Recognition, 2019.
    """

    def __init__(self, margin: float = 0.4, others: str = "angle", **settings: Any) -> None:
        super().__init__(**settings)
        self.margin = radians("margin", margin)
        self.others = one_of("others", others, ("angle", "cosine"))

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Linear angles ``[B]`` with the own classes after the margin."""
        del norms
        return linear_angles(target) - 2.0 * self.margin / math.pi

    def negatives(self, cosines: ClassCosines, norms: tf.Tensor | None) -> Negatives:
        """Linear angles, or plain cosines."""
        del cosines, norms
        return LinearAngles() if self.others == "angle" else PLAIN

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "margin": self.margin, "others": self.others}


airface = plain_function("airface", AirFace)
