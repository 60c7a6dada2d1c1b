"""ElasticFace: a margin drawn anew for every sample."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import added_linear
from fr_losses._checks import at_least, cosine_margin, non_negative, one_of, radians
from fr_losses._class_cosines import ClassCosines
from fr_losses._state import LossState
from fr_losses.margin_loss import MarginLoss, plain_function

KINDS = ("arc", "cos")
DEFAULT_MARGINS = {"arc": 0.5, "cos": 0.35}


@_keras.serializable
class ElasticFace(MarginLoss):
    """ArcFace (``kind="arc"``) or CosFace (``kind="cos"``) with margins drawn from a normal distribution.

    Where an angle with its margin ``m`` passes pi, the cosine becomes ``c - m sin(m)``, as ArcFace's does by
    default, and goes on falling. In the authors' code it rises again, so that such samples are pushed away
    from their class. A margin drawn below 0 is taken as it is, as there.

    Parameters
    ----------
    kind : {"arc", "cos"}
        What the margin is added to: the angle in radians, or the cosine.
    margin : float, optional
        Mean, in ``[0, pi)`` or ``[0, 2]``; by default 0.5 for ``arc``, 0.35 for ``cos``.
    std : float
        Standard deviation. The paper's: 0.05; for ``by_difficulty`` 0.0175 (arc) and 0.025 (cos).
    by_difficulty : bool
        Whether the larger of a batch's margins go to the samples with the smaller target cosines
        (ElasticFace+).
    seed : int
        Of the draws, which depend on it and ``steps`` alone.
    steps : int
        Batches seen: the loss's state.
    **settings
        As in `MarginLoss`.

    References
    ----------
    Boutros et al., ElasticFace: Elastic Margin Loss for Deep Face Recognition, 2022.
    """

    def __init__(
        self,
        kind: str = "arc",
        margin: float | None = None,
        std: float = 0.05,
        by_difficulty: bool = False,
        seed: int = 0,
        steps: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.kind = one_of("kind", kind, KINDS)
        checked = radians if kind == "arc" else cosine_margin
        self.margin = checked("margin", DEFAULT_MARGINS[kind] if margin is None else margin)
        self.std = non_negative("std", std)
        self.by_difficulty = by_difficulty
        self.seed = seed
        self.state = LossState(steps=at_least("steps", steps, 0))

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Go on to the next draws."""
        del cosines, norms
        self.state["steps"].assign_add(1)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after margins of their own."""
        del norms
        margin = self._draw(target)
        if self.kind == "cos":
            return target - margin
        return added_linear(target, margin)

    def _draw(self, target: tf.Tensor) -> tf.Tensor:
        steps = self.state_value("steps")
        seed = tf.stack([tf.constant(self.seed + _keras.replica(), steps.dtype), steps])
        margins = tf.random.stateless_normal(tf.shape(target), seed, self.margin, self.std)
        if not self.by_difficulty:
            return margins
        rank = tf.argsort(tf.argsort(tf.stop_gradient(target), direction="DESCENDING"))
        return tf.gather(tf.sort(margins), rank)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "margin": self.margin,
            "std": self.std,
            "by_difficulty": self.by_difficulty,
            "seed": self.seed,
        }


elasticface = plain_function("elasticface", ElasticFace)
