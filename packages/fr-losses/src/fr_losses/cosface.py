"""CosFace: a margin on the cosine."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import cosine_margin
from fr_losses.margin_loss import MarginLoss, plain_function


@_keras.serializable
class CosFace(MarginLoss):
    """Logit ``s (c - margin)`` for the target's cosine ``c``. Its exact gradient is the straight-through one.

    Parameters
    ----------
    margin : float in [0, 2]
        On the cosine.
    **settings
        As in `MarginLoss`.

    References
    ----------
    Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, 2018, equation 4.
    """

    def __init__(self, margin: float = 0.35, **settings: Any) -> None:
        super().__init__(**settings)
        self.margin = cosine_margin("margin", margin)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin."""
        del norms
        return target - self.margin

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "margin": self.margin}


cosface = plain_function("cosface", CosFace)
