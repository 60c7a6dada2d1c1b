"""MagFace: a margin that grows with the norm of the embedding, which becomes the quality of the face."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import added, added_linear
from fr_losses._checks import cosine_margin, non_negative, one_of, positive, radians
from fr_losses._class_cosines import ClassCosines
from fr_losses.margin_loss import MarginLoss, plain_function

PAST_PI = ("linear", "minimum")
MARGINS_ON = ("angle", "cosine")


@_keras.serializable
class MagFace(MarginLoss):
    """ArcFace with a margin linear in the norm ``a``, plus ``regularizer (1 / a + a / max_norm^2)``.

    Parameters
    ----------
    min_norm, max_norm : float
        Norms are held in this range, without gradient outside it.
    min_margin, max_margin : float
        Margins of these norms, the second no smaller: radians in ``[0, pi)``, or differences of cosines in
        ``[0, 2]`` for ``margin_on="cosine"``.
    regularizer : float
        Weight of the term that pulls norms up.
    margin_on : {"angle", "cosine"}
        What the margin is added to.
    past_pi : {"linear", "minimum"}
        Where the angle with its margin passes pi: ``c - m sin(m)``, the authors' code, or
        ``min(cos(theta + m), c)`` everywhere, as in Keras_insightface.
    **settings
        As in `MarginLoss`.

    References
    ----------
    Meng et al., MagFace: A Universal Representation for Face Recognition and Quality Assessment, 2021.
    """

    uses_norms = True

    def __init__(
        self,
        min_norm: float = 10.0,
        max_norm: float = 110.0,
        min_margin: float = 0.45,
        max_margin: float = 0.8,
        regularizer: float = 35.0,
        margin_on: str = "angle",
        past_pi: str = "linear",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.min_norm = positive("min_norm", min_norm)
        if not positive("max_norm", max_norm) > min_norm:
            raise ValueError(f"max_norm: expected more than min_norm, {min_norm}, got {max_norm}")
        self.max_norm = max_norm
        self.margin_on = one_of("margin_on", margin_on, MARGINS_ON)
        checked = radians if margin_on == "angle" else cosine_margin
        self.min_margin = checked("min_margin", min_margin)
        self.max_margin = checked("max_margin", max_margin)
        if max_margin < min_margin:
            raise ValueError(f"max_margin: expected at least min_margin, {min_margin}, got {max_margin}")
        self.regularizer = non_negative("regularizer", regularizer)
        self.past_pi = one_of("past_pi", past_pi, PAST_PI)

    def losses(
        self, cosines: ClassCosines, norms: tf.Tensor | None = None, training: bool = True
    ) -> tf.Tensor:
        """Losses ``float32[B]``, the regularizer's share included."""
        held = self._held(norms)
        pull = 1.0 / held + held / self.max_norm**2
        return super().losses(cosines, norms, training) + self.regularizer * pull

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin of each norm."""
        slope = (self.max_margin - self.min_margin) / (self.max_norm - self.min_norm)
        margin = slope * (self._held(norms) - self.min_norm) + self.min_margin
        if self.margin_on == "cosine":
            return target - margin
        if self.past_pi == "minimum":
            return tf.minimum(added(target, margin), target)
        return added_linear(target, margin)

    def _held(self, norms: tf.Tensor | None) -> tf.Tensor:
        return tf.clip_by_value(norms, self.min_norm, self.max_norm)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {
            **super().get_config(),
            "min_norm": self.min_norm,
            "max_norm": self.max_norm,
            "min_margin": self.min_margin,
            "max_margin": self.max_margin,
            "regularizer": self.regularizer,
            "margin_on": self.margin_on,
            "past_pi": self.past_pi,
        }


magface = plain_function("magface", MagFace)
