"""UniFace: one threshold that tells genuine from impostor for all classes, instead of a softmax."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import cosine_margin, finite, positive
from fr_losses._class_cosines import ClassCosines
from fr_losses._state import LossState
from fr_losses.margin_loss import MarginLoss, plain_function


@_keras.serializable
class UniFace(MarginLoss):
    """``log(1 + exp(bias - s (c_y - margin))) + negative_weight sum_j log(1 + exp(s c_j - bias))``.

    ``bias / s`` is the unified threshold. Where the loss belongs to a head layer, the bias is one of its
    trainable weights; in ``model.compile(loss=UniFace(...))`` nothing trains it.

    Parameters
    ----------
    num_classes : int, optional
        Gives the first bias: ``log(10 num_classes)``.
    bias : float, optional
        The loss's state: the first bias, if it is another.
    margin : float in [0, 2]
        On the cosine.
    negative_weight : float
        The paper's ``lambda``, which balances the few genuine against the many impostor terms.
    **settings
        As in `MarginLoss`; ``label_smoothing`` is not defined for it.

    References
    ----------
    Zhou et al., UniFace: Unified Cross-Entropy Loss for Deep Face Recognition, 2023.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        bias: float | None = None,
        margin: float = 0.4,
        negative_weight: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if self.label_smoothing:
            raise ValueError("label_smoothing: UniFace has none")
        if bias is None:
            if num_classes is None or num_classes < 2:
                raise ValueError(f"num_classes: expected at least 2 classes, or a bias, got {num_classes}")
            bias = math.log(10.0 * num_classes)
        self.margin = cosine_margin("margin", margin)
        self.negative_weight = positive("negative_weight", negative_weight)
        self.state = LossState(trainable=True, bias=finite("bias", bias))

    def losses(
        self, cosines: ClassCosines, norms: tf.Tensor | None = None, training: bool = True
    ) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del norms, training
        bias = self.state_value("bias")
        sums = cosines.unified(self.scale, bias)
        own = tf.nn.softplus(bias - self.scale * (sums.target - self.margin))
        return own + self.negative_weight * sums.softplus

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "margin": self.margin, "negative_weight": self.negative_weight}


uniface = plain_function("uniface", UniFace)
