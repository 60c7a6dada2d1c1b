"""What each operation of surgery changes, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models import create, surgery
from fr_models.layers import ChannelPReLU, FourierPosition, GroupedConv2D, StochasticDepth
from tensorflow import keras

from tests.fr_models.surgery_models import backbone, images, iresnet, nested, outputs, trained, two_outputs

BN = keras.layers.BatchNormalization


def _vector_model(*layers: Any, width: int = 4) -> keras.Model:
    inputs = keras.Input((width,))
    x = inputs
    for layer in layers:
        x = layer(x)
    return trained(keras.Model(inputs, x, name="m"))


def _map_model(*layers: Any) -> keras.Model:
    inputs = keras.Input((8, 8, 4))
    x = inputs
    for layer in layers:
        x = layer(x)
    return trained(keras.Model(inputs, x, name="m"))


# replace_activation


@pytest.mark.parametrize(("slope", "expected"), [(None, 0.25), (0.1, 0.1)])
def test_prelu_has_a_slope_a_channel(slope: float | None, expected: float) -> None:
    model = trained(iresnet())
    new = surgery.replace_activation(model, slope=slope)
    act = new.get_layer("stem_act")
    assert (
        isinstance(act, ChannelPReLU)
        and act.alpha.shape == (1, 1, 8)
        and np.all(act.alpha == np.float32(expected))
    )
    x = np.float32([[[[-2.0] * 8]]])
    np.testing.assert_allclose(act(x), expected * x, rtol=1e-6)
    assert not act.trainable and new.get_layer("block1_2_act").trainable  # the stem is frozen


def test_fused_activations_are_split_off(rng: np.random.Generator) -> None:
    model = _vector_model(keras.layers.Dense(3, activation="relu", name="a"), keras.layers.Dense(2, name="b"))
    new = surgery.replace_activation(model, "relu", "gelu")
    assert [layer.name for layer in new.layers][1:] == ["a", "a_act", "b"]
    x = rng.normal(size=(5, 4)).astype("float32")
    kernel, bias, last, last_bias = model.get_weights()
    expected = np.asarray(keras.activations.gelu(tf.constant(x @ kernel + bias))) @ last + last_bias
    np.testing.assert_allclose(new(x), expected, rtol=1e-5, atol=1e-6)


def test_prelu_after_a_dense_layer_has_a_slope_a_unit() -> None:
    model = _vector_model(keras.layers.Dense(3, activation="relu", name="a"))
    assert surgery.replace_activation(model).get_layer("a_act").alpha.shape == (3,)


def test_a_shared_activation_is_one_layer_for_each_shape() -> None:
    relu, x = keras.layers.ReLU(name="act"), keras.Input((4,))
    first, second = relu(x), relu(keras.layers.Dense(4)(x))
    model = keras.Model(x, [first, second, relu(keras.layers.Dense(3)(x))])
    new = surgery.replace_activation(model)
    assert sorted(weight.shape[0] for weight in new.weights if "alpha" in weight.name) == [3, 4]
    assert {layer.name for layer in new.layers if isinstance(layer, keras.layers.PReLU)} == {"act", "act_1"}


def test_prelu_can_go() -> None:
    new = surgery.replace_activation(trained(two_outputs()), "prelu", "relu")
    assert not any(isinstance(layer, keras.layers.PReLU) for layer in new.layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "rleu"}, r"^source: expected prelu or the name of an activation of Keras, got 'rleu'$"),
        ({"target": "rleu"}, r"^target: expected prelu or the name of an activation of Keras, got 'rleu'$"),
        ({"target": 3}, r"^target: expected prelu or the name of an activation of Keras, got 3$"),
        (
            {"target": lambda x: x},
            r"^target: expected a function without arguments that makes a layer, got .+$",
        ),
        ({"target": lambda: "relu"}, r"^target: expected a function that makes a layer, got 'relu' of it$"),
        ({"source": "gelu"}, r"^small: has no activation 'gelu', only relu \(\d+\), sigmoid \(2\)$"),
        ({"slope": "small"}, r"^slope: expected a number, got 'small'$"),
        ({"target": "gelu", "slope": 0.1}, r"^slope: only prelu has one, got target 'gelu'$"),
    ],
)
def test_replace_activation_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surgery.replace_activation(iresnet(), **arguments)


# add_l2


@pytest.mark.parametrize("halved", [True, False])
def test_l2_is_mxnets_weight_decay(halved: bool) -> None:
    """Its gradient is ``wd w`` of kernels, and nothing of other weights."""
    model = surgery.unfreeze(trained(iresnet()))
    assert not model.losses
    new = surgery.add_l2(model, 0.02, mxnet_equivalent=halved)
    with tf.GradientTape() as tape:
        loss = tf.add_n(new.losses)
    factor, total = 0.01 if halved else 0.02, 0.0
    gradients = tape.gradient(loss, new.trainable_weights)
    for weight, gradient in zip(new.trainable_weights, gradients, strict=True):
        if "kernel" in weight.name:
            np.testing.assert_allclose(gradient, 2 * factor * np.asarray(weight), rtol=1e-5)
            total += np.sum(np.square(weight, dtype=float))
        else:
            assert gradient is None
    assert float(loss) == pytest.approx(factor * total, rel=1e-5)


def test_l2_on_everything() -> None:
    model = _map_model(
        keras.layers.SeparableConv2D(5, 3, name="separable"), BN(), ChannelPReLU(), keras.layers.Flatten(),
        keras.layers.Dense(3, name="dense"),
    )  # fmt: skip
    squares = {w.name.split("/")[-1].split(":")[0]: np.sum(np.square(w, dtype=float)) for w in model.weights}
    squares["bias"] = sum(
        np.sum(np.square(model.get_layer(name).bias, dtype=float)) for name in ("separable", "dense")
    )
    kernels = squares["depthwise_kernel"] + squares["pointwise_kernel"] + squares["kernel"]
    for to_batch_norm, to_bias, expected in [
        (False, False, kernels),
        (True, False, kernels + squares["gamma"] + squares["beta"] + squares["alpha"]),
        (False, True, kernels + squares["bias"]),
    ]:
        losses = surgery.add_l2(model, 2.0, to_batch_norm, to_bias).losses
        assert float(sum(losses)) == pytest.approx(expected, rel=1e-5)
    assert not surgery.add_l2(surgery.add_l2(model, 2.0), 0.0).losses


def test_l2_on_the_projection_of_places() -> None:
    layer = FourierPosition(8, name="places")
    model = _map_model(layer)
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    new = surgery.add_l2(model, 0.1)
    np.testing.assert_allclose(sum(new.losses), 0.05 * np.sum(kernel**2), rtol=1e-5)
    both = sum(surgery.add_l2(model, 0.1, to_bias=True).losses)
    np.testing.assert_allclose(both, 0.05 * (np.sum(kernel**2) + np.sum(bias**2)), rtol=1e-5)


def test_l2_refuses() -> None:
    for wrong in (-1, float("nan"), float("inf"), "5e-4", None):
        with pytest.raises(ValueError, match=rf"^weight_decay: expected 0 or more, got {wrong!r}$"):
            surgery.add_l2(iresnet(), wrong)
    with pytest.raises(ValueError, match=r"^m: has no weights to regularise$"):
        surgery.add_l2(_vector_model(keras.layers.ReLU()), 1.0)


# set_batch_norm


def test_set_batch_norm() -> None:
    model = trained(nested())
    new = surgery.set_batch_norm(model, momentum=0.5, epsilon=1e-4)
    norms = [layer for layer in new._flatten_layers() if isinstance(layer, BN)]
    assert len(norms) > 8 and {(norm.momentum, norm.epsilon) for norm in norms} == {(0.5, 1e-4)}
    kept = surgery.set_batch_norm(model, momentum=0.5)
    assert {norm.epsilon for norm in kept._flatten_layers() if isinstance(norm, BN)} == {1e-3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"^momentum, epsilon: expected one of them, got neither$"),
        ({"momentum": 1.0}, r"^momentum: expected a share in \[0, 1\), got 1.0$"),
        ({"epsilon": 0.0}, r"^epsilon: expected a number in \(0, 1\), got 0.0$"),
        ({"epsilon": 1e-5}, r"^m: has no BatchNormalization$"),
    ],
)
def test_set_batch_norm_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surgery.set_batch_norm(_vector_model(keras.layers.Dense(2)), **arguments)


# stochastic depth


def test_survival_falls_linearly_and_goes_without_a_trace() -> None:
    model = trained(iresnet())
    new = surgery.add_stochastic_depth(model, (0.9, 0.5))
    assert [layer.survival for layer in new.layers if isinstance(layer, StochasticDepth)] == [0.7, 0.5]
    again = surgery.remove_stochastic_depth(new)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    for before, after in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(after, before)


def test_survival_is_set_anew() -> None:
    model = iresnet()
    new = surgery.add_stochastic_depth(surgery.add_stochastic_depth(model, (0.9, 0.5)), (1.0, 0.6))
    once = surgery.add_stochastic_depth(model, (1.0, 0.6))
    assert [layer.name for layer in new.layers] == [layer.name for layer in once.layers]
    assert [layer.survival for layer in new.layers if isinstance(layer, StochasticDepth)] == [0.8, 0.6]


@pytest.mark.parametrize("shortcut", ["identity", "projection"])
def test_the_branch_is_left_out(shortcut: str, rng: np.random.Generator) -> None:
    """In training each sample has the shortcut, or the shortcut and the branch over its survival."""
    inputs = keras.Input((4,))
    short = inputs if shortcut == "identity" else keras.layers.Dense(4, name="short")(inputs)
    branch = keras.layers.Dense(4, name="second")(keras.layers.Dense(3, name="first")(inputs))
    model = trained(keras.Model(inputs, keras.layers.Add(name="sum")([branch, short])))
    new = surgery.add_stochastic_depth(model, (1.0, 0.75))
    x = np.repeat(rng.normal(size=(1, 4)), 4000, axis=0).astype("float32")
    left = x if shortcut == "identity" else np.asarray(model.get_layer("short")(x))
    full = np.asarray(model(x))
    trains = np.asarray(new(x, training=True))
    stays = np.abs(trains - left).max(axis=1) > 1e-6
    np.testing.assert_allclose(trains[stays], (left + (full - left) / 0.75)[stays], rtol=1e-4, atol=1e-5)
    assert abs(stays.mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / len(x))
    np.testing.assert_allclose(trains.mean(axis=0), full[0], atol=0.05 * np.abs(full - left).max())


@pytest.mark.parametrize("place", [0, 1])
def test_a_nested_branch_is_left_out(place: int, rng: np.random.Generator) -> None:
    """Residual blocks as models of their own; what training leaves is the shortcut."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="stem")(inputs)
    for block in range(2):
        layers = [keras.layers.Dense(3, name=f"first{block}"), keras.layers.Dense(4, name=f"second{block}")]
        branch = keras.Sequential([keras.Input((4,)), *layers], name=f"branch{block}")(x)
        x = keras.layers.Add(name=f"sum{block}")([branch, x] if place == 0 else [x, branch])
    model = trained(keras.Model(inputs, x))
    new = surgery.add_stochastic_depth(model, (1e-9, 1e-9))
    images = rng.normal(size=(5, 4)).astype("float32")
    np.testing.assert_allclose(new(images, training=True), model.get_layer("stem")(images), rtol=1e-6)
    np.testing.assert_allclose(new(images), model(images), rtol=1e-6)


def test_adds_that_are_not_residual() -> None:
    inputs = keras.Input((4,))
    twins = [keras.layers.Dense(4)(inputs) for _ in range(2)]
    with pytest.raises(
        ValueError, match=r"^twins: has no residual Add, of two inputs of one shape and unlike"
    ):
        surgery.add_stochastic_depth(keras.Model(inputs, keras.layers.Add()(twins), name="twins"))


@pytest.mark.parametrize("survival", [(1.0, 0.0), (1.1, 0.8), (float("nan"), 0.8), (0.8,), 0.8, "ab"])
def test_stochastic_depth_refuses(survival: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^survival: expected two probabilities in \(0, 1\], of input and end"
    ):
        surgery.add_stochastic_depth(iresnet(), survival)
    with pytest.raises(ValueError, match=r"^survival: expected a probability in \(0, 1\], got 0$"):
        StochasticDepth(0)


# dropout


def test_dropout_before_the_dense_layer() -> None:
    model = trained(backbone("relu"))
    model = trained(
        keras.Model(model.input, keras.layers.Dense(3, name="fc")(keras.layers.Flatten()(model.output)))
    )
    new = surgery.set_dropout(model, 0.25)
    names = [layer.name for layer in new.layers]
    assert names[-2:] == ["fc_dropout", "fc"] and new.get_layer("fc_dropout").rate == 0.25
    assert surgery.set_dropout(new, 0.5).get_layer("fc_dropout").rate == 0.5
    for without in (surgery.set_dropout(new, 0.0), surgery.remove_dropout(new)):
        assert [layer.name for layer in without.layers] == [layer.name for layer in model.layers]


def test_dropout_of_the_head_is_the_one_that_is_set() -> None:
    new = surgery.set_dropout(iresnet(), 0.6)
    assert [layer.rate for layer in new.layers if isinstance(layer, keras.layers.Dropout)] == [0.6]


def test_removing_dropout_leaves_stochastic_depth() -> None:
    new = surgery.remove_dropout(surgery.add_stochastic_depth(iresnet()))
    assert {type(layer) for layer in new.layers if isinstance(layer, keras.layers.Dropout)} == {
        StochasticDepth
    }


def test_dropout_at_the_end_leaves_the_outputs_name() -> None:
    model = _vector_model(keras.layers.Dense(3), keras.layers.Dropout(0.5, name="last"))
    assert surgery.remove_dropout(model).output_names == ["last"]


def test_dropout_refuses() -> None:
    with pytest.raises(ValueError, match=r"^rate: expected a share in \[0, 1\), got 1$"):
        surgery.set_dropout(iresnet(), 1)
    with pytest.raises(
        ValueError, match=r"^small: expected a dense layer before the first output, got block2_add$"
    ):
        surgery.set_dropout(backbone("relu"), 0.1)


# fold_batch_norm


def _conv(**settings: Any) -> Any:
    return keras.layers.Conv2D(6, **{"kernel_size": 3, "name": "linear", **settings})


FOLDS = {
    "conv_bn": ([_conv(padding="same"), BN()], 1, 0),
    "conv_no_bias_bn_bn": ([_conv(use_bias=False, strides=2), BN(scale=False), BN(center=False)], 2, 0),
    "depthwise_bn": ([keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), BN()], 1, 0),
    "separable_bn": ([keras.layers.SeparableConv2D(6, 3, padding="same", depth_multiplier=2), BN()], 1, 0),
    "dense_bn": ([keras.layers.Flatten(), keras.layers.Dense(6), BN()], 1, 0),
    "dense_reshape_bn": (
        [
            keras.layers.Flatten(),
            keras.layers.Dense(6),
            keras.layers.Reshape((1, 1, 6)),
            BN(),
            keras.layers.Flatten(),
        ],
        1,
        0,
    ),
    "bn_conv_valid_bn": ([BN(), _conv(), BN()], 2, 0),
    "bn_conv_1x1": ([BN(), _conv(kernel_size=1, padding="same", strides=2)], 1, 0),
    "bn_conv_groups": ([BN(), _conv(groups=2)], 1, 0),
    "bn_grouped_bn": ([BN(), GroupedConv2D(6, 3, groups=2), BN()], 2, 0),
    "bn_depthwise_valid": ([BN(), keras.layers.DepthwiseConv2D(3, depth_multiplier=2)], 1, 0),
    "bn_flatten_dense": (
        [BN(), keras.layers.Dropout(0.5), keras.layers.Flatten(), keras.layers.Dense(6)],
        1,
        0,
    ),
    "bn_mean_dense": (
        [BN(), keras.layers.GlobalAveragePooling2D(keepdims=True), keras.layers.Dense(6)],
        1,
        0,
    ),
    "bn_conv_same": ([BN(), _conv(padding="same")], 0, 1),
    "bn_pad_conv": ([BN(), keras.layers.ZeroPadding2D(1), _conv()], 0, 1),
    "bn_separable": ([BN(), keras.layers.SeparableConv2D(6, 3)], 0, 1),
    "conv_relu_bn": ([_conv(activation="relu"), BN()], 0, 1),
    "conv_pool_bn": ([_conv(), keras.layers.MaxPooling2D(2), BN()], 0, 1),
    "conv_bn_of_rows": ([_conv(padding="same"), BN(axis=1)], 0, 1),
    "flatten_between": ([_conv(), keras.layers.Flatten(), BN()], 0, 1),
}


@pytest.mark.parametrize("case", FOLDS)
def test_folds(case: str, rng: np.random.Generator) -> None:
    layers, folded, left = FOLDS[case]
    model = _map_model(*[layer.__class__.from_config(layer.get_config()) for layer in layers])
    folds = surgery.batch_norm_folds(model)
    assert (len(folds.folded), len(folds.left)) == (folded, left) and all(folds.left.values())
    new = surgery.fold_batch_norm(model)
    assert sum(isinstance(layer, BN) for layer in new.layers) == left
    x = rng.normal(size=(3, 8, 8, 4)).astype("float32")
    before, after = np.asarray(model(x)), np.asarray(new(x))
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()
    assert new.output_names == model.output_names


@pytest.mark.parametrize(
    "case", ["conv_called_twice", "bn_called_twice", "conv_read_twice", "conv_is_output", "trains"]
)
def test_folds_nothing_that_others_need(case: str, rng: np.random.Generator) -> None:
    inputs = keras.Input((8, 8, 4))
    conv, norm = keras.layers.Conv2D(4, 3, padding="same"), BN()
    x = conv(inputs)
    y = norm(x, training=True) if case == "trains" else norm(x)
    others = {
        "conv_called_twice": lambda: conv(y),
        "bn_called_twice": lambda: norm(keras.layers.ReLU()(y)),
        "conv_read_twice": lambda: keras.layers.ReLU()(x),
        "conv_is_output": lambda: x,
        "trains": lambda: keras.layers.ReLU()(y),
    }
    model = trained(keras.Model(inputs, [y, others[case]()]))
    assert surgery.batch_norm_folds(model).folded == ()
    x = rng.normal(size=(3, 8, 8, 4)).astype("float32")
    for before, after in zip(model(x), surgery.fold_batch_norm(model)(x), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_folds_of_a_network() -> None:
    folds = surgery.batch_norm_folds(trained(iresnet()))
    assert list(folds.left) == ["block1_1_bn", "block2_1_bn"] and len(folds.folded) == 8
    assert folds.left["block2_1_bn"] == "block2_1_conv pads its input"


def test_folds_into_grouped_convolutions() -> None:
    folds = surgery.batch_norm_folds(create("vargface", embedding_dim=8, input_shape=(32, 32, 3)))
    assert len(folds.folded) == 79 and not folds.left


# precision


def test_precision_there_and_back() -> None:
    model = trained(two_outputs())
    mixed = surgery.to_policy(model, "mixed_bfloat16")
    assert mixed.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {mixed.get_layer(name).compute_dtype for name in ("embedding", "embedding_norm")} == {"float32"}
    assert all(np.asarray(weight).dtype == np.float32 for weight in mixed.weights)
    before, after = outputs(model)[0], outputs(mixed)[0]
    cosines = np.sum(before * after, axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert 0.99 < cosines.min() < 1.0 - 1e-9
    for first, last in zip(outputs(model), outputs(surgery.to_float32(mixed)), strict=True):
        np.testing.assert_array_equal(last, first)


def test_mixed_model_to_float32() -> None:
    """It gives what the same weights give in a model that was float32 from the start."""
    plain = trained(iresnet())
    keras.mixed_precision.set_global_policy("mixed_float16")
    mixed = trained(iresnet())
    keras.mixed_precision.set_global_policy("float32")
    assert np.abs(outputs(mixed)[0] - outputs(plain)[0]).max() > 0
    np.testing.assert_array_equal(outputs(surgery.to_float32(mixed))[0], outputs(plain)[0])


def test_precision_of_other_layers_stays() -> None:
    layers = [
        keras.layers.Dense(3, name=name, dtype=name) for name in ("mixed_float16", "float32", "float64")
    ]
    model = _vector_model(*layers, keras.layers.ReLU(name="end", dtype="float32"))
    new = surgery.to_policy(model, "mixed_bfloat16")
    assert [layer.dtype_policy.name for layer in new.layers][1:] == [
        "mixed_bfloat16",
        "float32",
        "float64",
        "float32",
    ]
    with pytest.raises(ValueError, match=r"^policy: expected one of float32, .*, got 'float8'$"):
        surgery.to_policy(model, "float8")


def test_precision_of_wrapped_layers() -> None:
    inputs = keras.Input((5, 4))
    x = keras.layers.TimeDistributed(keras.layers.Dense(3), name="wrapper")(inputs)
    new = surgery.to_policy(keras.Model(inputs, keras.layers.ReLU()(x)), "mixed_bfloat16")
    assert new.get_layer("wrapper").layer.compute_dtype == "bfloat16"


# freeze


def test_bottleneck_only_trains_the_head_alone() -> None:
    new = surgery.freeze(trained(iresnet()), "bottleneck_only")
    names = {layer.name for layer in new.layers if layer.trainable_weights}
    assert names == {"head_depthwise", "head_depthwise_bn", "head_dense", "pre_embedding"}
    before = [weight.copy() for weight in new.get_layer("block1_2_bn").get_weights()]
    new.compile(keras.optimizers.SGD(0.1), "mse")
    new.fit(images(new), np.ones((2, 8), "float32"), verbose=0)
    for old, now in zip(before, new.get_layer("block1_2_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(now, old)
    assert len(surgery.unfreeze(new).trainable_weights) > len(new.trainable_weights)


def test_layers_by_name_stay_trainable() -> None:
    new = surgery.freeze(trained(nested()), ["tail_dense"])
    assert [weight.shape for weight in new.trainable_weights] == [(8, 8), (8,)]


def test_freeze_refuses() -> None:
    with pytest.raises(
        ValueError, match=r"^small: has no head of fr_models; name the layers that stay trainable$"
    ):
        surgery.freeze(backbone("relu"))
    with pytest.raises(ValueError, match=r"^small: has no layer fc1, fc2$"):
        surgery.freeze(backbone("relu"), ["fc2", "fc1"])
    with pytest.raises(
        ValueError, match=r"^trainable: expected bottleneck_only or names of layers, got 'head'$"
    ):
        surgery.freeze(backbone("relu"), "head")
    with pytest.raises(ValueError, match=r"^trainable: expected bottleneck_only or names .+, got none$"):
        surgery.freeze(backbone("relu"), [])
