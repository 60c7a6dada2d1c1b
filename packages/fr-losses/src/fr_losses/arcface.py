"""ArcFace, and the margin it shares with SphereFace and CosFace."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import angles, sines
from fr_losses._checks import cosine_margin, one_of, positive, radians
from fr_losses.margin_loss import GRADIENTS, MarginLoss, by_gradient, plain_function

PAST_PI = ("linear", "reflect", "none")


@_keras.serializable
class CombinedMargin(MarginLoss):
    """Logit ``s (cos(multiplier theta + angular_margin_rad) - additive_margin)``, ``theta`` the target's.

    Past the angle where the cosine would rise again, ``past_pi`` says what the margin does:

    - ``"linear"``: ``cos(theta) - m sin(m) - additive_margin``, as in the authors' first code (MXNet); it
      needs a multiplier of 1, and falls all the way for margins up to 2.33.
    - ``"reflect"``: ``2 (-1 - additive_margin)`` minus the logit, as in Keras_insightface.
    - ``"none"``: the cosine rises again, as in insightface's arcface_torch.

    Parameters
    ----------
    multiplier : float
        The factor of the angle, SphereFace's.
    angular_margin_rad : float in [0, pi)
        The margin on the angle in radians, ArcFace's.
    additive_margin : float in [0, 2]
        The margin on the cosine, CosFace's.
    past_pi : {"linear", "reflect", "none"}, optional
        See above. Default ``"linear"`` for a multiplier of 1, else ``"reflect"``.
    easy_margin : bool
        Whether the margin holds only for targets within 90 degrees.
    gradient : {"exact", "straight_through"}
        ``exact`` differentiates the margin; ``straight_through`` takes ``d logit / d cosine = s``, as
        insightface's arcface_torch does.
    **settings
        As in `MarginLoss`.

    References
    ----------
    Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, 2019, equation 4.
    """

    def __init__(
        self,
        multiplier: float = 1.0,
        angular_margin_rad: float = 0.5,
        additive_margin: float = 0.0,
        past_pi: str | None = None,
        easy_margin: bool = False,
        gradient: str = "exact",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.multiplier = positive("multiplier", multiplier)
        self.angular_margin_rad = radians("angular_margin_rad", angular_margin_rad)
        if multiplier * math.pi + angular_margin_rad > 2 * math.pi:
            raise ValueError(
                f"multiplier: expected at most 2 - margin / pi, got {multiplier}: past 2 pi the cosine falls "
                "again; SphereFace takes larger ones"
            )
        self.additive_margin = cosine_margin("additive_margin", additive_margin)
        self.past_pi = one_of("past_pi", past_pi or ("linear" if multiplier == 1 else "reflect"), PAST_PI)
        if self.past_pi == "linear" and multiplier != 1:
            raise ValueError(f"past_pi: 'linear' needs a multiplier of 1, got {multiplier}")
        self.easy_margin = easy_margin
        self.gradient = one_of("gradient", gradient, GRADIENTS)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes after the margin."""
        del norms
        harder = self.harder(target) - self.additive_margin
        if self.easy_margin:
            harder = tf.where(target > 0, harder, target)
        else:
            harder = tf.where(target > self._cosine_at_pi(), harder, self._past_pi(target, harder))
        return by_gradient(self.gradient, target, harder)

    def harder(self, target: tf.Tensor) -> tf.Tensor:
        """Cosines ``[B]`` of ``multiplier theta + angular_margin_rad``, past pi too."""
        margin = self.angular_margin_rad
        if self.multiplier == 1:
            return target * math.cos(margin) - sines(target) * math.sin(margin) if margin else target
        return tf.cos(self.multiplier * angles(target) + margin)

    def _cosine_at_pi(self) -> float:
        angle = (math.pi - self.angular_margin_rad) / self.multiplier
        return math.cos(angle) if angle < math.pi else -math.inf

    def _past_pi(self, target: tf.Tensor, harder: tf.Tensor) -> tf.Tensor:
        if self.past_pi == "linear":
            margin = self.angular_margin_rad
            return target - margin * math.sin(margin) - self.additive_margin
        if self.past_pi == "reflect":
            return 2.0 * (-1.0 - self.additive_margin) - harder
        return harder

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {
            **super().get_config(),
            "multiplier": self.multiplier,
            "angular_margin_rad": self.angular_margin_rad,
            "additive_margin": self.additive_margin,
            "past_pi": self.past_pi,
            "easy_margin": self.easy_margin,
            "gradient": self.gradient,
        }


@_keras.serializable
class ArcFace(CombinedMargin):
    """Logit ``s cos(theta + margin)`` for the target's angle ``theta``.

    Parameters
    ----------
    margin : float in [0, pi)
        In radians.
    **settings
        As in `CombinedMargin` and `MarginLoss`: ``scale``, ``past_pi``, ``easy_margin``, ``gradient``, ...

    References
    ----------
    Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, 2019, equation 3.

    Examples
    --------
    >>> import tensorflow as tf
    >>> labels, cosines = tf.constant([0]), tf.constant([[0.9, 0.1, -0.2]])
    >>> float(ArcFace(margin=0.5, scale=8.0)(labels, cosines))  # doctest: +ELLIPSIS
    0.023...
    """

    def __init__(self, margin: float = 0.5, **settings: Any) -> None:
        for name in ("multiplier", "angular_margin_rad", "additive_margin"):
            if name in settings:
                raise TypeError(f"{name}: {type(self).__name__} has one margin; CombinedMargin has three")
        super().__init__(angular_margin_rad=margin, **settings)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        config = super().get_config()
        for name in ("multiplier", "additive_margin"):
            del config[name]
        return {"margin": config.pop("angular_margin_rad"), **config}


combined_margin = plain_function("combined_margin", CombinedMargin)
arcface = plain_function("arcface", ArcFace)
