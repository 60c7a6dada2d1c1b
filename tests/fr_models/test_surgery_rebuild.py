"""The machinery of surgery: layers laid again with their weights, or a reason why not."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models.surgery._rebuild import rebuild
from tensorflow import keras

from tests.fr_models.surgery_models import iresnet, outputs, trained


def _pairs(model: keras.Model, new: keras.Model) -> list[tuple[Any, Any]]:
    return list(zip(model._flatten_layers(), new._flatten_layers(), strict=True))


def test_keeps_names_order_flags_precisions_and_regularizers() -> None:
    model = trained(iresnet())
    model.get_layer("block2_1_conv").kernel_regularizer = keras.regularizers.L1(0.1)
    new = rebuild(model)
    assert new.name == model.name
    for old, made in _pairs(model, new):
        assert (made.name, type(made)) == (old.name, type(old)) or old is model
        assert made.trainable == old.trainable and made.dtype_policy.name == old.dtype_policy.name
    assert not new.get_layer("stem_conv").trainable and new.get_layer("block1_1_conv").trainable
    assert float(new.get_layer("block2_1_conv").kernel_regularizer.l1) == pytest.approx(0.1)
    for old, made in zip(model.weights, new.weights, strict=True):
        np.testing.assert_array_equal(made, old)


def test_keeps_flags_of_layers_in_a_frozen_model() -> None:
    inner = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="a"), keras.layers.Dense(2, name="b")]
    )
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inner(inputs)))
    model.trainable = False
    inner.trainable = True
    inner.get_layer("a").trainable = False
    assert [made.trainable for _, made in _pairs(model, rebuild(model))] == [
        old.trainable for old, _ in _pairs(model, model)
    ]


def test_precisions_are_the_layers_own_whatever_is_in_force() -> None:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = trained(iresnet())
    keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_array_equal(outputs(rebuild(model))[0], outputs(model)[0])


def test_composite_and_stateful_layers(rng: np.random.Generator) -> None:
    """Layers with layers in them, and those whose weights are more than variables."""
    inputs = keras.Input((6, 4))
    normal = keras.layers.Normalization()
    x = keras.layers.MultiHeadAttention(2, 3)(normal(inputs), value=inputs)
    x = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))(x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(3))(x)
    model = trained(keras.Model(inputs, keras.layers.Flatten()(x)))
    normal.adapt(rng.normal(3.0, 2.0, (64, 6, 4)).astype("float32"))
    sequences = rng.normal(size=(2, 6, 4)).astype("float32")
    np.testing.assert_array_equal(rebuild(model)(sequences), model(sequences))


def test_operations_on_tensors(rng: np.random.Generator) -> None:
    inputs = keras.Input((6, 4))
    x = (inputs[:, 1:] * 2.0 + 1.0)[..., ::2]
    model = keras.Model(inputs, {"sum": x + x, "nested": [x, inputs]})
    sequences = rng.normal(size=(2, 6, 4)).astype("float32")
    tf.nest.map_structure(np.testing.assert_array_equal, rebuild(model)(sequences), model(sequences))


class Forgetful(keras.layers.Layer):
    """Has a width that its configuration does not tell."""

    def __init__(self, width: int = 1, **layer: Any) -> None:
        super().__init__(**layer)
        self._width = width

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(name="w", shape=(self._width,), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs * self.w[0]

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


class Closed(keras.layers.Layer):
    """Cannot be made from its configuration."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Forgetful(3, name="f"),
            r"^f: Forgetful made .* has weights of shapes \[\(1,\)\], expected \[\(3,\)\]$",
        ),
        (Closed(3), r"^closed\w*: Closed cannot be made from its own configuration: .*$"),
    ],
)
def test_layers_that_lose_something(layer: keras.layers.Layer, message: str) -> None:
    inputs = keras.Input((2,))
    with pytest.raises(ValueError, match=message) as caught:
        rebuild(keras.Model(inputs, layer(inputs)))
    assert "\n" not in str(caught.value)


def test_a_weight_without_a_source() -> None:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs), name="m")
    with pytest.raises(ValueError, match=r"^m: weights without a source: \S*kernel\S*, \S*bias\S*$"):
        rebuild(model, lambda layer, copies: keras.layers.Dense(2))


def test_a_weight_outside_the_graph() -> None:
    class WithMore(keras.Model):
        def __init__(self) -> None:
            inputs = keras.Input((2,))
            super().__init__(inputs, keras.layers.Dense(2)(inputs), name="more")
            self.other = keras.layers.Dense(1, use_bias=False, name="other")
            self.other.build((None, 2))

    with pytest.raises(
        ValueError, match=r"^more: has weights outside its graph, which would be lost: \S*kernel\S*$"
    ):
        rebuild(WithMore())


def test_a_variable_of_no_layer() -> None:
    layer = keras.layers.Dense(2, name="dense")
    inputs = keras.Input((2,))
    x = layer(inputs)
    try:
        model = keras.Model(inputs, x * layer.bias, name="m")
    except (TypeError, ValueError):
        pytest.skip("this Keras has no such models")
    with pytest.raises(
        ValueError, match=r": is called with a variable that belongs to no layer; put it into one$"
    ):
        rebuild(model)


@pytest.mark.parametrize("thing", ["r18", None, keras.layers.ReLU(name="relu")])
def test_no_model(thing: object) -> None:
    with pytest.raises(ValueError, match=r"expected a functional model, keras.Model\(inputs, outputs\) or"):
        rebuild(thing)
