"""A digest of all bytes that all functions give, for `test_threads.py`."""

from __future__ import annotations

import hashlib

import fr_tf_ops
import numpy as np
import tensorflow as tf


def digest() -> str:
    ops = fr_tf_ops.load()
    rng = np.random.default_rng(1)
    weights = tf.constant(rng.standard_normal((9000, 40)), tf.float32)
    x = tf.constant(rng.standard_normal((37, 40)) / 7, tf.float32)
    labels = tf.constant(rng.integers(0, 3000, 37), tf.int32)
    sha256 = hashlib.sha256()
    for products in ("float32", "bfloat16"):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, weights])
            softmax = ops.softmax_sums(x, weights, labels, 32.0, sub_centers=3, products=products)
            unified = ops.unified_sums(x, weights, labels, 32.0, 3.0, sub_centers=3, products=products)
        for sums in (softmax, unified):
            for result in [*sums, *tape.gradient(list(sums[:2]), [x, weights])]:
                sha256.update(result.numpy().tobytes())
    cosines = tf.constant(rng.standard_normal((3, 200_000)), tf.float32)
    sha256.update(ops.margin_logits(cosines, [0.0] * 3, labels[:3], 32.0).numpy().tobytes())
    return sha256.hexdigest()
