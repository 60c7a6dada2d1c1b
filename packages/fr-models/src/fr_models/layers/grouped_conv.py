"""Grouped convolution without XLA, where TensorFlow has its gradients."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_models import _keras

_plain: ContextVar[bool] = ContextVar("_plain", default=False)


@_keras.serializable
class GroupedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with its weights, numbers and arguments, for ``groups > 1``.

    On a CPU, Keras compiles grouped convolutions with XLA, whose gradients take many times as long as those
    that TensorFlow's operation has with oneDNN. Where the operation has none, this layer is Keras's.
    """

    def call(self, inputs: Any) -> Any:
        """Return the convolved inputs."""
        if self.data_format != "channels_last" or not (_plain.get() or _has_gradients(inputs.dtype)):
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        x = tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)
        if self.use_bias:
            x = tf.nn.bias_add(x, tf.convert_to_tensor(self.bias))
        return x if self.activation is None else self.activation(x)


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Within it, grouped convolutions are TensorFlow's operation everywhere: its profiler sees no other."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


@functools.lru_cache
def _has_gradients(dtype: Any) -> bool:
    """Whether this machine computes gradients of grouped convolutions; no setting of TensorFlow tells."""
    size, kernel_size = (1, 3, 3, 4), (3, 3, 2, 4)
    with tf.init_scope():
        common = {"out_backprop": tf.ones(size, dtype), "strides": (1, 1, 1, 1), "padding": "SAME"}
        try:
            tf.raw_ops.Conv2DBackpropInput(input_sizes=size, filter=tf.ones(kernel_size, dtype), **common)
            tf.raw_ops.Conv2DBackpropFilter(input=tf.ones(size, dtype), filter_sizes=kernel_size, **common)
        except tf.errors.OpError:
            return False
        return True
