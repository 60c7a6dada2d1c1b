"""Softmax of scaled cosines without a margin, and Keras_insightface's margin on probabilities."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import positive
from fr_losses.margin_loss import MarginLoss, plain_function


@_keras.serializable
class NormSoftmax(MarginLoss):
    """Cross-entropy of scaled cosines: ``-log softmax(s c)_y``.

    References
    ----------
    Wang et al., NormFace: L2 Hypersphere Embedding for Face Verification, 2017.

    Examples
    --------
    >>> import tensorflow as tf
    >>> float(NormSoftmax(scale=1.0)(tf.constant([0]), tf.constant([[1.0, 1.0]])))  # doctest: +ELLIPSIS
    0.693...
    """


@_keras.serializable
class MarginSoftmax(MarginLoss):
    """Cross-entropy where the target's probability ``p`` becomes ``(p^power + p probability_scale) / 2``.

    Keras_insightface's loss of this name. Logits are ``scale * c``; with ``power=1`` the probability becomes
    ``p * probability_scale``, with ``probability_scale=0`` it becomes ``p^power``.

    Parameters
    ----------
    power : float
        Exponent of the target's probability.
    probability_scale : float
        Its factor.
    **settings
        As in `MarginLoss`; ``label_smoothing`` is not defined for it.
    """

    def __init__(self, power: float = 2.0, probability_scale: float = 0.4, **settings: Any) -> None:
        super().__init__(**settings)
        if self.label_smoothing:
            raise ValueError("label_smoothing: MarginSoftmax has none")
        self.power = positive("power", power)
        if not 0 <= probability_scale < math.inf:
            raise ValueError(f"probability_scale: expected a number from 0 on, got {probability_scale}")
        self.probability_scale = probability_scale

    def cross_entropy(
        self, target: tf.Tensor, log_sum_exp: tf.Tensor, total: tf.Tensor, classes: int
    ) -> tf.Tensor:
        """Losses ``[B]``: the changed probability's share of itself and the others'."""
        log_probability = -tf.nn.softplus(log_sum_exp - target)
        changed = self._log_changed(log_probability)
        log_others = -tf.nn.softplus(target - log_sum_exp)
        return tf.nn.softplus(log_others - changed)

    def _log_changed(self, log_probability: tf.Tensor) -> tf.Tensor:
        power, scale = self.power, self.probability_scale
        if scale == 0:
            return power * log_probability
        if power == 1:
            return log_probability + tf.math.log(scale)
        return log_probability + tf.math.log((tf.exp((power - 1.0) * log_probability) + scale) / 2.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "power": self.power, "probability_scale": self.probability_scale}


norm_softmax = plain_function("norm_softmax", NormSoftmax)
probability_margin_softmax = plain_function("probability_margin_softmax", MarginSoftmax)
