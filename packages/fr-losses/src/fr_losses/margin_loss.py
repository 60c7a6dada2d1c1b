"""The base of the margin softmax family: it owns the algorithm, a child what becomes of the target cosine.

For a sample with cosines ``c_j`` to the classes and own class ``y``, the logits are ``s * margin(c_y)`` and
``s * c_j``, and the loss is their cross-entropy. A margin touches only the target, so that a loss needs of a
sample three numbers (`_class_cosines.py`), wherever they come from: a matrix of cosines here, chunks of
classes in `fused_margin_softmax`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from fr_losses._checks import positive, share
from fr_losses._class_cosines import ClassCosines, DenseCosines
from fr_losses._functions import named
from fr_losses._labels import class_numbers, mixed_classes
from fr_losses._loss import Loss
from fr_losses._negatives import PLAIN, Negatives
from fr_losses._state import LossState

GRADIENTS = ("exact", "straight_through")


class MarginLoss(Loss):
    """Cross-entropy of scaled cosines, the target's with a margin.

    Called with ``(labels, cosines)``: labels ``[B]`` are class numbers (or mixup's rows ``[B, C]`` of two
    weights), cosines ``[B, C]`` of any float dtype are computed with in float32. Losses that depend on the
    norm of the embedding (``uses_norms``) expect it, negated, as one more column:
    ``NormDense(append_norm=True)``.

    Parameters
    ----------
    scale : float
        What cosines are multiplied by.
    label_smoothing : float in [0, 1)
        Share of the target's weight that all classes get in equal parts.
    **settings
        As in every Keras loss: ``reduction``, ``"sum_over_batch_size"`` by default, and ``name``.

    Raises
    ------
    ValueError
        If a setting is out of its range, or the cosines' shape is wrong.
    tf.errors.InvalidArgumentError
        When called with labels outside ``[0, C)``.
    """

    uses_norms = False

    def __init__(self, scale: float = 64.0, label_smoothing: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale = positive("scale", scale)
        self.label_smoothing = share("label_smoothing", label_smoothing)
        self.state = LossState()

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B]`` of labels ``[B]`` and cosines ``[B, C]``, or ``[B, C + 1]`` with norms."""
        cosines = tf.cast(y_pred, tf.float32)
        if cosines.shape.rank != 2 or cosines.shape[1] is None:
            raise ValueError(f"cosines: expected shape [B, C] with a known class count, got {cosines.shape}")
        norms = None
        if self.uses_norms:
            cosines, norms = cosines[:, :-1], -cosines[:, -1]
            message = "cosines: expected the negated norms as last column: NormDense(append_norm=True)"
            with tf.control_dependencies([tf.debugging.assert_non_negative(norms, message)]):
                norms = tf.identity(norms)
        labels = tf.convert_to_tensor(y_true)
        if labels.shape.rank == 2 and labels.shape[1] != 1:
            weights, numbers = mixed_classes(labels, cosines.shape[1])
            first, second = (DenseCosines(cosines, numbers[:, column]) for column in (0, 1))
            losses = weights[:, 0] * self.losses(first, norms)
            return losses + weights[:, 1] * self.losses(second, norms, training=False)
        return self.losses(DenseCosines(cosines, class_numbers(labels, cosines.shape[1], cosines)), norms)

    def losses(
        self, cosines: ClassCosines, norms: tf.Tensor | None = None, training: bool = True
    ) -> tf.Tensor:
        """Losses ``float32[B]``.

        Parameters
        ----------
        cosines : ClassCosines
            Of ``B`` samples.
        norms : float32 ``[B]``, optional
            Of their embeddings, for losses that use them.
        training : bool
            Whether the loss's state moves on.
        """
        if cosines.classes < 2:
            raise ValueError(f"cosines: expected at least 2 classes, got {cosines.classes}")
        if training:
            self.update_state(cosines, norms)
        scale = self.current_scale(norms)
        negatives = self.negatives(cosines, norms)
        sums = cosines.softmax(scale, negatives, with_total=self.label_smoothing > 0)
        target = scale * self.with_margin(sums.target, norms)
        return self.cross_entropy(target, sums.log_sum_exp, sums.total, cosines.classes)

    def with_margin(self, target: tf.Tensor, norms: tf.Tensor | None) -> tf.Tensor:
        """Cosines ``[B]`` with the own classes, made harder. A child overrides this."""
        del norms
        return target

    def current_scale(self, norms: tf.Tensor | None) -> Any:
        """Scale of the logits, a scalar or ``[B]``."""
        del norms
        return self.scale

    def negatives(self, cosines: ClassCosines, norms: tf.Tensor | None) -> Negatives:
        """Say what becomes of the cosines of other classes."""
        del cosines, norms
        return PLAIN

    def update_state(self, cosines: ClassCosines, norms: tf.Tensor | None) -> None:
        """Let a batch change the loss's state, before its losses are computed."""
        del cosines, norms

    def state_value(self, name: str) -> tf.Tensor:
        """Value of a variable of the state."""
        return tf.convert_to_tensor(self.state[name])

    def move_average(self, name: str, value: tf.Tensor, momentum: float) -> None:
        """Move a variable of the state towards ``value``, unless that is not finite."""
        old = self.state_value(name)
        value = tf.where(tf.math.is_finite(value), value, old)
        self.state[name].assign(momentum * value + (1.0 - momentum) * old)

    def cross_entropy(
        self, target: tf.Tensor, log_sum_exp: tf.Tensor, total: tf.Tensor, classes: int
    ) -> tf.Tensor:
        """Losses ``[B]`` of the target's logits and of sums over the logits of other classes."""
        if not self.label_smoothing:
            return tf.nn.softplus(log_sum_exp - target)
        smoothing = self.label_smoothing
        log_denominator = target + tf.nn.softplus(log_sum_exp - target)
        return log_denominator - (1.0 - smoothing) * target - (smoothing / classes) * (target + total)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss; the state's values are among them."""
        settings = {"scale": self.scale, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **settings, **self.state.values()}


def checked_margin(margin: Any) -> MarginLoss:
    """Return a margin loss, or refuse what is none."""
    if not isinstance(margin, MarginLoss):
        raise ValueError(f"margin: expected a margin loss such as ArcFace(), got {margin!r}")
    return margin


def margin_softmax(cosines: Any, labels: Any, margin: MarginLoss, norms: Any = None) -> tf.Tensor:
    """Losses of each sample by any loss of the family, from the matrix of cosines.

    Parameters
    ----------
    cosines : float ``[B, C]``
        Of each sample with each class.
    labels : integers ``[B]``
        Own classes.
    margin : MarginLoss
        The loss.
    norms : float ``[B]``, optional
        Norms of the embeddings, for a loss that uses them.

    Returns
    -------
    float32 ``[B]``
        Loss of each sample.
    """
    cosines = tf.cast(cosines, tf.float32)
    if margin.uses_norms:
        if norms is None:
            raise ValueError(f"norms: {type(margin).__name__} needs the norms [B] of the embeddings")
        cosines = tf.concat([cosines, -tf.cast(norms, tf.float32)[:, None]], axis=1)
    return margin.call(labels, cosines)


def plain_function(name: str, loss: type[MarginLoss]) -> Callable[..., tf.Tensor]:
    """Make the function ``(cosines, labels, norms=None, **settings) -> [B]`` of a loss class.

    A loss with state begins anew in each call, and cannot be called within a `tf.function`.
    """

    def function(cosines: Any, labels: Any, norms: Any = None, **settings: Any) -> tf.Tensor:
        return margin_softmax(cosines, labels, loss(**settings), norms)

    return named(name, loss, function, "cosines [B, C]", "labels [B]")


def by_gradient(gradient: str, target: tf.Tensor, changed: tf.Tensor) -> tf.Tensor:
    """Return ``changed`` with its own gradient (``exact``) or that of ``target`` (``straight_through``)."""
    if gradient == "exact":
        return changed
    return target + tf.stop_gradient(changed - target)
