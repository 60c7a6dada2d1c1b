"""What an image costs."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_models.layers.grouped_conv import plain_operations


def multiply_adds(model: Any) -> int:
    """Multiply-adds of one image: half the floating-point operations that TensorFlow's profiler counts."""
    shape = (1, *model.input_shape[1:])
    infer = tf.function(lambda x: model(x, training=False), autograph=False)
    with plain_operations():
        graph = infer.get_concrete_function(tf.TensorSpec(shape)).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return int(tf.compat.v1.profiler.profile(graph, options=options).total_float_ops) // 2
