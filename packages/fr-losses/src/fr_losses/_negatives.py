"""What a loss makes of the cosines of the classes that are not the sample's own."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from fr_losses._angles import linear_angles


class PlainNegatives(NamedTuple):
    """They stay cosines."""

    @property
    def reach(self) -> float:
        """How large what cosines become can be."""
        return 1.0

    def __call__(self, cosines: tf.Tensor) -> tf.Tensor:
        """Return ``cosines [B, n]`` as they are."""
        return cosines


class HardNegatives(NamedTuple):
    """Above the own cosine with its margin, ``c (t + c)`` takes the place of ``c`` (CurricularFace)."""

    thresholds: tf.Tensor
    """``float32[B]``: above it a class is hard."""
    hardness: tf.Tensor
    """Scalar ``t``."""

    @property
    def reach(self) -> float:
        """How large what cosines become can be."""
        return 2.0

    def __call__(self, cosines: tf.Tensor) -> tf.Tensor:
        """Modulate ``cosines [B, n]``."""
        return tf.where(cosines > self.thresholds[:, None], cosines * (self.hardness + cosines), cosines)


class WithoutConflicts(NamedTuple):
    """0 takes the place of cosines above a threshold (Partial FC's filter of conflicting classes)."""

    thresholds: tf.Tensor
    """``float32[B]``."""

    @property
    def reach(self) -> float:
        """How large what cosines become can be."""
        return 1.0

    def __call__(self, cosines: tf.Tensor) -> tf.Tensor:
        """Leave conflicting classes out of ``cosines [B, n]``."""
        return tf.where(cosines > self.thresholds[:, None], tf.zeros_like(cosines), cosines)


class LinearAngles(NamedTuple):
    """``1 - 2 angle / pi`` takes the place of the cosine (AirFace)."""

    @property
    def reach(self) -> float:
        """How large what cosines become can be."""
        return 1.0

    def __call__(self, cosines: tf.Tensor) -> tf.Tensor:
        """Turn ``cosines [B, n]`` into linear functions of their angles."""
        return linear_angles(cosines)


Negatives = PlainNegatives | HardNegatives | WithoutConflicts | LinearAngles
PLAIN = PlainNegatives()
