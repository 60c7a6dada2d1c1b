"""SphereFace: a margin that multiplies the angle, in the form of 2017 (A-Softmax) and the revived one (R)."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import angles
from fr_losses._checks import at_least, non_negative, one_of, positive
from fr_losses._class_cosines import ClassCosines
from fr_losses._state import LossState
from fr_losses.margin_loss import GRADIENTS, MarginLoss, by_gradient, plain_function


@_keras.serializable
class SphereFace(MarginLoss):
    """A-Softmax: target logit ``|x| (lambda cos(theta) + psi(theta)) / (1 + lambda)``, others ``|x| c``.

    ``psi(theta) = (-1)^k cos(margin theta) - 2 k`` in the ``k``-th of ``margin`` parts of the half circle.
    ``lambda = max(lambda_min, lambda_base / (1 + gamma steps))`` falls as training goes on.

    Parameters
    ----------
    margin : int
        What the angle is multiplied by.
    lambda_min, lambda_base, gamma : float
        Annealing of the authors' Caffe code.
    steps : int
        Batches seen: the loss's state.
    **settings
        As in `MarginLoss`; the norm of the embedding takes the place of ``scale``.

    References
    ----------
    Liu et al., SphereFace: Deep Hypersphere Embedding for Face Recognition, 2017, equation 7;
    ``lambda`` is their Caffe code's.
    """

    uses_norms = True

    def __init__(
        self,
        margin: int = 4,
        lambda_min: float = 5.0,
        lambda_base: float = 1000.0,
        gamma: float = 0.12,
        steps: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.margin = at_least("margin", margin, 1)
        self.lambda_min = non_negative("lambda_min", lambda_min)
        self.lambda_base = non_negative("lambda_base", lambda_base)
        self.gamma = non_negative("gamma", gamma)
        self.state = LossState(steps=at_least("steps", steps, 0))

    def current_scale(self, norms: tf.Tensor | None) -> Any:
        """Return the norms ``[B]``."""
        return norms

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Count the batch."""
        del cosines, norms
        self.state["steps"].assign_add(1)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin."""
        del norms
        angle = angles(target)
        part = tf.stop_gradient(tf.minimum(tf.floor(angle * self.margin / math.pi), self.margin - 1.0))
        sign = 1.0 - 2.0 * tf.math.floormod(part, 2.0)
        monotone = sign * tf.cos(self.margin * angle) - 2.0 * part
        steps = tf.cast(self.state_value("steps"), tf.float32)
        weight = tf.maximum(self.lambda_min, self.lambda_base / (1.0 + self.gamma * steps))
        return (weight * target + monotone) / (1.0 + weight)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "lambda_min": self.lambda_min,
            "lambda_base": self.lambda_base,
            "gamma": self.gamma,
        }


@_keras.serializable
class SphereFaceR(MarginLoss):
    """Logit ``s cos(min(margin theta, pi))`` for the target's angle ``theta``.

    Parameters
    ----------
    margin : float
        What the angle is multiplied by, 1 or more.
    gradient : {"exact", "straight_through"}
        The paper detaches what the margin changes (its characteristic gradient detachment): the default.
    **settings
        As in `MarginLoss`; here ``scale`` is 30 by default.

    References
    ----------
    Liu et al., SphereFace Revived: Unifying Hyperspherical Face Recognition, 2022, SphereFace-R v1.
    """

    def __init__(
        self, margin: float = 1.5, gradient: str = "straight_through", scale: float = 30.0, **settings: Any
    ) -> None:
        super().__init__(scale=scale, **settings)
        if positive("margin", margin) < 1:
            raise ValueError(f"margin: expected a factor of 1 or more, got {margin!r}")
        self.margin = margin
        self.gradient = one_of("gradient", gradient, GRADIENTS)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin."""
        del norms
        harder = tf.cos(tf.minimum(self.margin * angles(target), math.pi))
        return by_gradient(self.gradient, target, harder)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "margin": self.margin, "gradient": self.gradient}


sphereface = plain_function("sphereface", SphereFace)
sphereface_r = plain_function("sphereface_r", SphereFaceR)
