"""Batch normalisation in one operation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras

FUSED_TYPES = (tf.float32, tf.bfloat16, tf.float16)


@_keras.serializable
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation, of the same weights and numbers, by TensorFlow's fused operation.

    Keras 2 uses that operation itself; Keras 3 normalises in a dozen passes over memory, which on a CPU are
    half of a mobile network's training. What the operation cannot do, masks or other axes, is left to Keras.

    Parameters
    ----------
    **layer
        As in `keras.layers.BatchNormalization`.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised features, and in training move the statistics."""
        if _keras.FUSES_BATCH_NORM or not self._can_fuse(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        is_training = bool(training) and self.trainable
        mean, variance = (tf.convert_to_tensor(v) for v in (self.moving_mean, self.moving_variance))
        normalised, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=is_training,
        )
        if is_training:
            count = tf.cast(tf.size(inputs) / inputs.shape[-1], tf.float32)
            biased = batch_variance * (count - 1.0) / count  # the operation estimates, Keras 3 does not
            self.moving_mean.assign(mean * self.momentum + batch_mean * (1.0 - self.momentum))
            self.moving_variance.assign(variance * self.momentum + biased * (1.0 - self.momentum))
        return normalised

    def _can_fuse(self, inputs: Any, mask: Any) -> bool:
        is_plain = mask is None and not self.synchronized and not getattr(self, "renorm", False)
        is_map = len(inputs.shape) == 4 and self.axis in (-1, 3) and inputs.dtype in FUSED_TYPES
        return bool(is_plain and is_map)
