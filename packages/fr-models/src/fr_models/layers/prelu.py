"""PReLU with one slope a channel."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class ChannelPReLU(keras.layers.PReLU):
    """``max(x, 0) + slope min(x, 0)``, with one slope, 0.25 at first, a channel.

    In training, XLA fuses what Keras computes in passes over memory, most of all the sums of the slopes'
    gradient. Otherwise the operations are Keras's, which TFLite knows as PReLU.

    Parameters
    ----------
    **layer
        As in `keras.layers.PReLU`.

    References
    ----------
    He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.1.
    """

    def __init__(self, **layer: Any) -> None:
        defaults = {"alpha_initializer": keras.initializers.Constant(0.25), "shared_axes": [1, 2]}
        super().__init__(**{**defaults, **layer})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the activations."""
        if training and list(self.shared_axes or ()) == [1, 2] and len(inputs.shape) == 4:
            return _prelu(inputs, tf.cast(tf.reshape(self.alpha, (-1,)), inputs.dtype))
        return super().call(inputs)


@tf.custom_gradient
def _prelu(x: Any, slopes: Any) -> Any:
    def gradient(upstream: Any) -> tuple[Any, Any]:
        of_x, of_slopes = _backward(x, slopes, upstream)
        rows = tf.reshape(of_slopes, (-1, x.shape[-1]))
        ones = tf.ones((1, tf.shape(rows)[0]))
        return of_x, tf.cast(tf.matmul(ones, rows)[0], slopes.dtype)  # several times as fast as reduce_sum

    return _forward(x, slopes), gradient


@tf.function(jit_compile=True, autograph=False)
def _forward(x: Any, slopes: Any) -> Any:
    return tf.where(x > 0, x, slopes * x)


@tf.function(jit_compile=True, autograph=False)
def _backward(x: Any, slopes: Any, upstream: Any) -> tuple[Any, Any]:
    """Return the gradient of the input, and that of the slopes ``float32[B, H, C]``, of each row of a map."""
    of_x = tf.where(x > 0, upstream, slopes * upstream)
    of_slopes = tf.cast(upstream, tf.float32) * tf.minimum(tf.cast(x, tf.float32), 0.0)
    return of_x, tf.reduce_sum(of_slopes, axis=2)
