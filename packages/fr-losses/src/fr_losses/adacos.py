"""AdaCos: softmax of cosines whose scale follows from the batch."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import angles
from fr_losses._checks import finite
from fr_losses._class_cosines import ClassCosines
from fr_losses._state import LossState
from fr_losses.margin_loss import MarginLoss, plain_function


@_keras.serializable
class AdaCos(MarginLoss):
    """Cross-entropy of ``s c`` with ``s = log(B) / cos(min(max_median, theta))``, computed before each batch.

    ``B`` is the batch's mean of the sum of ``exp(s c_j)`` over other classes, with the former scale;
    ``theta`` the (lower) median of the target's angles.

    Parameters
    ----------
    num_classes : int, optional
        Gives the first scale: ``sqrt(2) log(num_classes - 1)``.
    scale : float, optional
        The loss's state: the first scale, if it is another.
    max_median_rad : float
        Upper limit of the median angle.
    **settings
        As in `MarginLoss`.

    Notes
    -----
    Several replicas average what each finds in its part of the batch, which is not quite what one replica
    finds.

    References
    ----------
    Zhang et al., AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face Representations,
    2019.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        scale: float | None = None,
        max_median_rad: float = math.pi / 4,
        **settings: Any,
    ) -> None:
        if scale is None:
            if num_classes is None or num_classes < 3:
                raise ValueError(f"num_classes: expected at least 3 classes, or a scale, got {num_classes}")
            scale = math.sqrt(2.0) * math.log(num_classes - 1.0)
        super().__init__(scale=scale, **settings)
        self.max_median_rad = finite("max_median_rad", max_median_rad)
        self.state = LossState(scale=scale)

    def current_scale(self, norms: tf.Tensor | None) -> Any:
        """Read the state."""
        del norms
        return self.state_value("scale")

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Set the scale by the batch."""
        del norms
        log_sums = tf.stop_gradient(cosines.softmax(self.state_value("scale")).log_sum_exp)
        count = tf.cast(tf.shape(log_sums)[0], tf.float32)
        log_mean = tf.reduce_logsumexp(log_sums) - tf.math.log(count)
        ascending = tf.sort(angles(cosines.target()))
        median = ascending[(tf.shape(ascending)[0] - 1) // 2]
        scale = log_mean / tf.cos(tf.minimum(self.max_median_rad, median))
        self.move_average("scale", tf.where(scale > 0, scale, self.state_value("scale")), 1.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "max_median_rad": self.max_median_rad}


adacos = plain_function("adacos", AdaCos)
