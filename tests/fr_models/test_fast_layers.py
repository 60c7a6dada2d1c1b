"""Fast layers against Keras's: weights, outputs, gradients and statistics, and what TFLite makes of them."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from fr_models import Options
from fr_models._builder import Builder
from fr_models.layers import ChannelPReLU, FusedBatchNormalization
from tensorflow import keras

Make = Callable[[str], keras.layers.Layer]


def _keras_prelu(policy: str) -> keras.layers.Layer:
    return keras.layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2], dtype=policy
    )


PAIRS = {
    "prelu": (lambda policy: ChannelPReLU(dtype=policy), _keras_prelu),
    "batch_norm": (
        lambda policy: FusedBatchNormalization(epsilon=1e-5, dtype=policy),
        lambda policy: keras.layers.BatchNormalization(epsilon=1e-5, dtype=policy),
    ),
    "batch_norm_without_scale_and_center": (
        lambda policy: FusedBatchNormalization(scale=False, center=False, dtype=policy),
        lambda policy: keras.layers.BatchNormalization(scale=False, center=False, dtype=policy),
    ),
}


def _steps(layer: keras.layers.Layer, x: tf.Tensor, upstream: tf.Tensor, jit: bool) -> list[np.ndarray]:
    """Output and gradients of a training step, what it leaves as weights, and the output in use."""

    @tf.function(jit_compile=jit)
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True) if takes_training else layer(x)
        return y, tape.gradient(y, [x, *layer.trainable_weights], upstream)

    takes_training = type(layer) is not keras.layers.PReLU
    y, gradients = step()
    numbers = [y, *gradients, *layer.get_weights(), layer(x)]
    return [tf.cast(number, tf.float32).numpy() for number in numbers]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 1e-2)])
@pytest.mark.parametrize("pair", PAIRS)
def test_numbers_are_those_of_keras(
    pair: str, policy: str, tolerance: float, jit: bool, rng: np.random.Generator
) -> None:
    ours, theirs = (make(policy) for make in PAIRS[pair])
    x = tf.cast(rng.normal(0.5, 2.0, size=(8, 9, 5, 16)), ours.compute_dtype)
    upstream = tf.cast(rng.normal(size=x.shape), ours.compute_dtype)
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.set_weights([weight + rng.uniform(0.1, 0.2, weight.shape) for weight in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    for our, their in zip(_steps(ours, x, upstream, jit), _steps(theirs, x, upstream, jit), strict=True):
        np.testing.assert_allclose(our, their, rtol=0, atol=tolerance * np.max(np.abs(their)))


def test_a_frozen_batch_norm_keeps_its_statistics(rng: np.random.Generator) -> None:
    layer = FusedBatchNormalization()
    x = rng.normal(3.0, 2.0, size=(4, 5, 5, 8)).astype("float32")
    layer.build(x.shape)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x, training=True), layer(x, training=False))
    for weight, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_other_shapes_are_left_to_keras(rng: np.random.Generator) -> None:
    x = rng.normal(size=(16, 8)).astype("float32")
    ours, theirs = FusedBatchNormalization(), keras.layers.BatchNormalization()
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    slopes = ChannelPReLU(shared_axes=None)
    np.testing.assert_array_equal(slopes(x, training=True), np.where(x > 0, x, 0.25 * x))


@pytest.mark.filterwarnings("ignore")
def test_tflite_has_its_own_operations_only_and_folds_batch_norm(rng: np.random.Generator) -> None:
    """Convolutions take the normalisation in: what is left are they and PReLU."""
    inputs = keras.Input((16, 16, 3), batch_size=1)
    build = Builder(Options("prelu"))
    x = build.act(build.bn(build.conv(inputs, 8, 3, "conv", strides=2), "conv_bn"), "conv_act")
    x = build.act(build.bn(build.depthwise(x, 3, "depthwise"), "depthwise_bn"), "depthwise_act")
    model = keras.Model(inputs, x)
    model.set_weights([weight + rng.uniform(0.1, 0.2, weight.shape) for weight in model.get_weights()])
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter = tf.lite.Interpreter(
        model_content=content, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    operations = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert operations == ["CONV_2D", "PRELU", "DEPTHWISE_CONV_2D", "PRELU"]
    images = rng.normal(size=(1, 16, 16, 3)).astype("float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model(images, training=False), rtol=1e-4, atol=1e-4)
