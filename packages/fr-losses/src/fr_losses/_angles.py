"""Angles of cosines, some of which rounding has pushed past 1, and derivatives that stay finite.

An angle's derivative grows without limit where the cosine nears 1 or -1. Values here are those of the cosine,
at most 1; derivatives are those at ``LARGEST_COSINE`` from there on, an angle of 1.4e-3 and at most 724.
"""

from __future__ import annotations

import math

import tensorflow as tf

LARGEST_COSINE = 1.0 - 2.0**-20


def angles(cosines: tf.Tensor) -> tf.Tensor:
    """Angles in radians of ``cosines``."""
    return _with_gradient_of(tf.acos(tf.clip_by_value(cosines, -1.0, 1.0)), tf.acos(_held(cosines)))


def sines(cosines: tf.Tensor) -> tf.Tensor:
    """Sines, at least 0, of the angles of ``cosines``."""
    held = _held(cosines)
    squares = tf.maximum((1.0 - cosines) * (1.0 + cosines), 0.0)
    return _with_gradient_of(tf.sqrt(squares), tf.sqrt((1.0 - held) * (1.0 + held)))


def added(cosines: tf.Tensor, margins: tf.Tensor) -> tf.Tensor:
    """Cosines of the angles plus ``margins`` in radians."""
    return cosines * tf.cos(margins) - sines(cosines) * tf.sin(margins)


def added_linear(cosines: tf.Tensor, margins: tf.Tensor) -> tf.Tensor:
    """Do the same, but where an angle passes pi ``c - m sin(m)``.

    So the cosine goes on falling for margins up to 2.33, where ``m sin(m)`` is ``1 - cos(m)``. Angles with
    margins below 0 do not pass pi.
    """
    past_pi = (margins > 0) & (cosines <= -tf.cos(margins))
    return tf.where(past_pi, cosines - margins * tf.sin(margins), added(cosines, margins))


def linear_angles(cosines: tf.Tensor) -> tf.Tensor:
    """Map angles linearly: 0 to 1, pi to -1."""
    return 1.0 - angles(cosines) * (2.0 / math.pi)


def _held(cosines: tf.Tensor) -> tf.Tensor:
    return _with_gradient_of(tf.clip_by_value(cosines, -LARGEST_COSINE, LARGEST_COSINE), cosines)


def _with_gradient_of(value: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.stop_gradient(value) + (other - tf.stop_gradient(other))
