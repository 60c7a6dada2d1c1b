"""Wrong input stops with one line: which input, what was expected, what came."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

X = np.eye(2, 3, dtype=np.float32)
WEIGHTS = np.eye(4, 3, dtype=np.float32)
LABELS = np.array([0, 3], np.int32)


def refused(match: str) -> pytest.RaisesExc:
    return pytest.raises(tf.errors.InvalidArgumentError, match=match)


def test_shapes(ops: ModuleType) -> None:
    with refused(r"x: expected shape \[samples, dim\], got \[3\]"):
        ops.softmax_sums(X[0], WEIGHTS, LABELS, 1.0)
    with refused(r"weights: expected shape \[rows, 3\], as wide as x, got \[4,2\]"):
        ops.softmax_sums(X, WEIGHTS[:, :2], LABELS, 1.0)
    with refused(r"weights: expected shape of a multiple of 3 sub-centres, got \[4,3\]"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, sub_centers=3)
    with refused(r"labels: expected shape \[2\], one for each sample, got \[1\]"):
        ops.softmax_sums(X, WEIGHTS, LABELS[:1], 1.0)
    with refused(r"scale: expected shape \[\], got \[2\]"):
        ops.softmax_sums(X, WEIGHTS, LABELS, [1.0, 2.0])
    with refused(r"thresholds: expected shape \[2\], one for each sample, got \[3\]"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, negatives="hard", thresholds=[0.0] * 3, hardness=0.1)
    with refused(r"bias: expected shape \[\], got \[1\]"):
        ops.unified_sums(X, WEIGHTS, LABELS, 1.0, [0.0])
    with refused(r"cosines: expected shape \[samples, classes\], got \[2\]"):
        ops.margin_logits([1.0, 2.0], [0.0, 0.0], LABELS, 1.0)
    with refused(r"target_logits: expected shape \[2\], one for each sample, got \[3\]"):
        ops.margin_logits(X, [0.0] * 3, LABELS, 1.0)


def test_labels(ops: ModuleType) -> None:
    with refused(r"labels\[1\]: expected a class in \[0, 4\), got 4"):
        ops.softmax_sums(X, WEIGHTS, [0, 4], 1.0)
    with refused(r"labels\[0\]: expected a class in \[0, 2\), got -1"):
        ops.unified_sums(X, WEIGHTS, [-1, 5], 1.0, 0.0, sub_centers=2)
    with refused(r"labels\[1\]: expected a class in \[0, 3\), got 3"):
        ops.margin_logits(X, [0.0, 0.0], LABELS, 1.0)


def test_settings(ops: ModuleType) -> None:
    with pytest.raises(ValueError, match="expected thresholds and hardness with 'hard'"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, negatives="hard")
    with pytest.raises(ValueError, match="expected thresholds with 'drop'"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, negatives="drop")
    with pytest.raises(ValueError, match=r"skip_below: expected a share in \[0, 1\), got -1"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, skip_below=-1)
    with refused("not in the list of allowed values"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, negatives="sine")
    with refused("not in the list of allowed values"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0, products="float16")


def test_unknown_instruction_set(ops: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FR_TF_OPS_ISA", "mmx")
    with refused("FR_TF_OPS_ISA is 'mmx'; this CPU runs generic"):
        ops.softmax_sums(X, WEIGHTS, LABELS, 1.0)


def test_shapes_of_graphs(ops: ModuleType) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([4, 2])])
    def sums(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return ops.softmax_sums(x, weights, LABELS, 1.0)

    with pytest.raises(ValueError, match="Dimensions must be equal"):
        sums.get_concrete_function()


def test_there_is_no_second_derivative(ops: ModuleType) -> None:
    x = tf.constant(X)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            target = ops.softmax_sums(x, WEIGHTS, LABELS, 1.0).target
        slope = inner.gradient(target, x)
    with pytest.raises(LookupError):
        outer.gradient(slope, x)


def test_xla(ops: ModuleType) -> None:
    """A function that was traced outside of XLA, and holds the op, is called within it."""
    inner = tf.function(lambda x: ops.softmax_sums(x, WEIGHTS, LABELS, 1.0).log_sum_exp, autograph=False)
    inner(tf.constant(X))
    outer = tf.function(lambda x: inner(x) + 0.0, autograph=False, jit_compile=True)
    line = r"^FrSoftmaxSums does not run under XLA: call it outside of jit_compile=True; with fr-losses, .+"
    with pytest.raises(tf.errors.UnimplementedError, match=line):
        outer(tf.constant(X))


def test_clusters_that_xla_makes_of_itself_leave_the_ops_out() -> None:
    program = """
import fr_tf_ops, tensorflow as tf
ops = fr_tf_ops.load()
x, w, y = tf.random.normal([8, 4]), tf.random.normal([9, 4]), tf.range(8)
@tf.function
def step(x, w):
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        own, log_sum_exp, *_ = ops.softmax_sums(tf.nn.relu(x) * 2.0 + 1.0, w, y, 8.0)
        loss = tf.reduce_sum(tf.tanh(log_sum_exp - own) * 3.0)
    return loss, *tape.gradient(loss, [x, w])
with_xla = step(x, w)
tf.config.optimizer.set_jit(False)
for one, other in zip(with_xla, step.python_function(x, w)):
    tf.debugging.assert_near(one, other, rtol=1e-4, atol=1e-5)
"""
    flags = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_min_cluster_size=1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
