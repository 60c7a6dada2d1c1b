"""Mixup: images mixed in pairs, and both labels of each.

The samples at places 0 and 1 of an epoch are mixed with each other, those at 2 and 3, and so on: the order is
random, so they are random pairs, and parts of a batch on several replicas hold the same pairs as the whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fr_models.data.samplers import generator

__all__ = ["MixedLabels", "mix_weights", "mixed"]

STREAM = 2


class MixedLabels(NamedTuple):
    """Labels of images that are each ``weight * first + (1 - weight) * second``: `fr_losses.MixedLabels`.

    A loss of class numbers is mixed alike: ``weight * loss(first) + (1 - weight) * loss(second)``. A loss of
    cosines takes the rows of `to_rows`.

    Attributes
    ----------
    first, second : int64 ``[B]``
    weight : float32 ``[B]``
        From 0.5 to 1.

    References
    ----------
    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, equation 1.
    """

    first: tf.Tensor
    second: tf.Tensor
    weight: tf.Tensor

    def to_rows(self, classes: int) -> tf.Tensor:
        """Return rows of weights over the classes, float32 ``[B, classes]``."""
        own = self.weight[:, None] * tf.one_hot(self.first, classes)
        return own + (1.0 - self.weight)[:, None] * tf.one_hot(self.second, classes)


def mix_weights(alpha: float, count: int, seed: int, epoch: int) -> NDArray[np.float32]:
    """Draw the weight of each sample's own image in an epoch; the larger share is its own."""
    share = generator(seed, epoch, STREAM).beta(alpha, alpha, count)
    return np.maximum(share, 1 - share).astype(np.float32)


def mixed(images: Any, labels: Any, weights: Any) -> tuple[tf.Tensor, MixedLabels]:
    """Mix neighbours of a batch.

    Parameters
    ----------
    images : float32 ``[B, H, W, 3]``
        ``B`` is even.
    labels : int64 ``[B]``
    weights : float32 ``[B]``
        Of each image's own share.
    """
    other = tf.bitwise.bitwise_xor(tf.range(tf.shape(labels)[0]), 1)
    share = tf.reshape(weights, [-1, 1, 1, 1])
    pixels = share * images + (1.0 - share) * tf.gather(images, other)
    return pixels, MixedLabels(labels, tf.gather(labels, other), weights)
