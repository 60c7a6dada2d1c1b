"""CurricularFace: ArcFace whose hard negatives weigh more as training goes on."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import finite, share
from fr_losses._class_cosines import ClassCosines
from fr_losses._negatives import HardNegatives, Negatives
from fr_losses._state import LossState
from fr_losses.arcface import ArcFace
from fr_losses.margin_loss import plain_function


@_keras.serializable
class CurricularFace(ArcFace):
    """ArcFace in which cosines above the target's with its margin become ``c (t + c)``.

    ``t`` is a moving average of the target's cosines: ``t <- momentum mean(c_y) + (1 - momentum) t``, moved
    before each batch's losses are computed.

    Where the target's angle with the margin passes pi, ``past_pi`` says what its logit is, as in `ArcFace`.
    A class is hard there if its cosine is above ``cos(theta + margin)``, which rises again, as in the
    authors' code; for ``past_pi="reflect"``, if it is above what the target's has become, as in
    Keras_insightface.

    Parameters
    ----------
    margin : float in [0, pi)
        In radians.
    momentum : float
        Weight of a batch in ``t``.
    t : float
        The loss's state.
    **settings
        As in `ArcFace`.

    References
    ----------
    Huang et al., CurricularFace: Adaptive Curriculum Learning Loss for Deep Face Recognition, 2020.
    """

    def __init__(self, margin: float = 0.5, momentum: float = 0.01, t: float = 0.0, **settings: Any) -> None:
        super().__init__(margin=margin, **settings)
        self.momentum = share("momentum", momentum)
        self.state = LossState(t=finite("t", t))

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Move ``t`` towards the mean cosine of the batch."""
        del norms
        self.move_average("t", tf.reduce_mean(cosines.target()), self.momentum)

    def negatives(self, cosines: ClassCosines, norms: tf.Tensor | None) -> Negatives:
        """Hard ones are those above the target's cosine with its margin."""
        target = cosines.target()
        harder = self.with_margin(target, norms) if self.past_pi == "reflect" else self.harder(target)
        return HardNegatives(tf.stop_gradient(harder), self.state_value("t"))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "momentum": self.momentum}


curricularface = plain_function("curricularface", CurricularFace)
