"""`create`: own backbones, every head with every option, precisions, and settings that make no sense."""

from typing import Any

import numpy as np
import pytest
from fr_models import HEADS, Head, create, list_models, surgery
from tensorflow import keras

from tests.fr_models.surgery_models import SIZE, backbone, trained

MAP = 8 * 8 * 16


def _images(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(2, SIZE, SIZE, 3)).astype("float32")


def test_own_backbone_keeps_its_weights(rng: np.random.Generator) -> None:
    stem, images = trained(backbone("prelu")), _images(rng)
    weights, before = (
        [weight.copy() for weight in stem.get_weights()],
        np.asarray(stem(images, training=False)),
    )
    model = create(stem, embedding_dim=8, bn_momentum=0.5, bn_epsilon=1e-2)
    inside = keras.Model(model.input, model.get_layer("block2_add").output)
    np.testing.assert_array_equal(inside(images, training=False), before)
    for old, now in zip(weights, stem.get_weights(), strict=True):
        np.testing.assert_array_equal(now, old)
    norm, own = model.get_layer("pre_embedding"), model.get_layer("block1_1_bn")
    assert (norm.momentum, norm.epsilon) == (0.5, 1e-2)
    assert (own.momentum, own.epsilon) == (0.99, 1e-3)
    assert model.name == "small" and model.input_shape == (None, SIZE, SIZE, 3)


def test_backbone_of_keras_applications(rng: np.random.Generator) -> None:
    stem = trained(keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights=None, include_top=False))
    images = _images(rng)
    model = create(stem, embedding_dim=8, head="GAP")
    inside = keras.Model(model.input, model.get_layer(stem.layers[-1].name).output)
    np.testing.assert_array_equal(inside(images, training=False), stem(images, training=False))


@pytest.mark.parametrize("pointwise", [0, 12, -1])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("kind", HEADS)
def test_heads(kind: str, dropout: float, pointwise: int, rng: np.random.Generator) -> None:
    stem = backbone("relu")
    channels = {0: 16, 12: 12, -1: 8}[pointwise]
    size = 64 * channels if kind == "Z" else 8
    if dropout and not HEADS[kind].dropout:
        with pytest.raises(ValueError, match=rf"^dropout: head {kind} has none, got 0.4$"):
            create(stem, size, kind, dropout=dropout, pointwise=pointwise)
        return
    model = create(stem, size, kind, dropout=dropout, pointwise=pointwise, with_norm=True)
    embeddings, norms = model(_images(rng), training=True)
    assert embeddings.shape == (2, size) and norms.shape == (2,)
    assert embeddings.dtype == norms.dtype == "float32"
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.4] * (
        dropout > 0
    )
    convolutions = [layer for layer in model.layers if layer.name == "head_pointwise"]
    assert [layer.filters for layer in convolutions] == ([channels] if pointwise else [])


@pytest.mark.parametrize("kind", ["E", "GDC", "J"])
@pytest.mark.parametrize(("use_bias", "scale"), [(True, False), (False, True)])
def test_batch_norm_before_the_embedding(kind: str, use_bias: bool, scale: bool) -> None:
    head = Head(kind, use_bias=use_bias, scale=scale)
    model = create(backbone("relu"), 8, head, bn_momentum=0.9, bn_epsilon=2e-5)
    norm = model.get_layer("pre_embedding")
    assert (norm.scale, norm.center, norm.momentum, norm.epsilon) == (scale, True, 0.9, 2e-5)
    assert model.get_layer("head_dense").use_bias is use_bias


def test_activation_of_the_pointwise_convolution() -> None:
    model = create(backbone("relu"), 8, Head(pointwise_activation="prelu"), pointwise=4)
    assert model.get_layer("head_pointwise_act").alpha.shape == (1, 1, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["E", "GDC", "GNAP", "Z"])
def test_embeddings_are_float32(kind: str, policy: str, rng: np.random.Generator) -> None:
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = create(backbone("prelu"), MAP if kind == "Z" else 8, kind, with_norm=True)
        embeddings, norms = model(_images(rng), training=True)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert embeddings.dtype == norms.dtype == "float32"
    assert model.get_layer("block1_1_conv").compute_dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(norms, np.linalg.norm(embeddings, axis=1), rtol=1e-5)


REFUSED = {
    "embedding_dim": ([0, -1, 2.5, "512", None, True], r"^embedding_dim: expected a whole number .+, got"),
    "input_shape": (
        [
            (112, 112), (112, 112, 3, 1), (0, 112, 3), (112, -112, 3), (112, 112, 0), ("112", "112", "3"),
            (112.0, 112, 3), "112x112x3", 112, None, (None, None, 3),
        ],
        r"^r18: expected an input_shape of height, width, channels from 16 pixels on, got .+$",
    ),
    "dropout": ([1, -0.1, float("nan"), "0.4", None], r"^dropout: expected a share in \[0, 1\), got .+$"),
    "pointwise": ([-2, 0.5, "64", None, True], r"^pointwise: expected 0, -1 or a number of .+, got .+$"),
    "head": (["X", "gdc", None, 3, ["E"]], r"^head: expected one of E, F, .*GNAP, got .+$"),
    "activation": (["rleu", 3, ""], r"^activation: expected prelu or the name .+, got .+$"),
    "use_se": (["yes", 1], r"^use_se: expected True or False, got .+$"),
    "use_max_pool": (["yes", 0], r"^use_max_pool: expected True or False, got .+$"),
    "bn_momentum": ([1.0, -0.1, "0.9", float("nan")], r"^bn_momentum: expected a share in \[0, 1\), got .+$"),
    "bn_epsilon": ([0.0, 1.0, "1e-5", float("nan")], r"^bn_epsilon: expected a number in \(0, 1\), got .+$"),
    "padding": (["valid", 1, ["same"]], r"^padding: expected one of same, explicit, trailing, got .+$"),
    "name": (["R50", "", "r19"], r"^model: there is no .+$"),
    "with_norm": (["x", 1, None], r"^with_norm: expected True or False, got .+$"),
    "weights": (["", 3], r"^weights: expected the path of a file, got .+$"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [(argument, value, message) for argument, (values, message) in REFUSED.items() for value in values],
)
def test_refuses_in_one_line(argument: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        create(**{"name": "r18", argument: value})
    assert "\n" not in str(caught.value)


def _stem(*shape: int | None, layer: keras.layers.Layer | None = None) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, (layer or keras.layers.Conv2D(4, 3))(inputs), name="own")


@pytest.mark.parametrize("name", [None, 3, ["r18"]])
def test_a_name_that_is_none(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^model: expected a name of list_models\(\), got .+$"):
        create(name)
    with pytest.raises(ValueError, match=r"^pattern: expected a shell pattern such as 'se_\*', got .+$"):
        list_models(name)


def test_a_sequential_can_be_the_stem(rng: np.random.Generator) -> None:
    stem = keras.Sequential([keras.Input((SIZE, SIZE, 3)), keras.layers.Conv2D(4, 3)], name="own")
    model, images = create(stem, embedding_dim=8), _images(rng)
    inside = keras.Model(model.input, model.get_layer(stem.layers[0].name).output)
    np.testing.assert_array_equal(inside(images), stem(images))
    assert model.output_shape == (None, 8)


def test_batch_norm_of_a_head_alone() -> None:
    """EdgeFace has layer normalisation; its head has batch normalisation, if it is of a kind that has."""
    settings: dict[str, Any] = {"embedding_dim": 8, "input_shape": (32, 32, 3), "bn_momentum": 0.5}
    assert create("edgeface_xxs", **settings).get_layer("pre_embedding").momentum == 0.5
    with pytest.raises(ValueError, match=r"^edgeface_xxs: bn_momentum cannot be chosen: neither backbone"):
        create("edgeface_xxs", head="H", **settings)


def test_refuses_own_models_without_a_feature_map() -> None:
    class Subclassed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    pooled = _stem(8, 8, 3, layer=keras.layers.GlobalAveragePooling2D())
    for stem in (pooled, Subclassed(name="own"), keras.Sequential(name="own")):
        with pytest.raises(ValueError, match=r"^own: expected one feature map \[B, H, W, C\], got .+$"):
            create(stem)


def test_refuses_own_models_of_unknown_size() -> None:
    with pytest.raises(
        ValueError, match=r"^own: expected a feature map of known height, width and channels, got .+$"
    ):
        create(_stem(None, None, 3))


@pytest.mark.parametrize("option", ["activation", "use_se", "use_max_pool", "padding"])
def test_own_models_have_their_own_options(option: str) -> None:
    with pytest.raises(ValueError, match=rf"^own: {option} is the model's own and cannot be chosen$"):
        create(_stem(8, 8, 3), **{option: "relu"})


def test_unknown_activation_of_the_pointwise_convolution() -> None:
    with pytest.raises(
        ValueError, match=r"^pointwise_activation: expected prelu or the name .+, got 'rleu'$"
    ):
        create(_stem(8, 8, 3), head=Head(pointwise_activation="rleu"), pointwise=4)


@pytest.mark.parametrize(
    ("activation", "name"),
    [("relu6", "relu6"), ("hard_swish", "hard_swish"), ("hard_silu", "hard_swish"), ("hard_sigmoid",) * 2],
)
def test_activations_that_keras_2_lacks(activation: str, name: str, rng: np.random.Generator) -> None:
    """In a backbone, in a head and in surgery, with MobileNetV3's numbers on every Keras."""
    x = rng.normal(0, 4, (2, 16, 16, 3)).astype("float32")
    gate = np.clip(x.astype(np.float64) + 3, 0, 6) / 6
    expected = {"relu6": np.clip(x, 0, 6), "hard_swish": x * gate, "hard_sigmoid": gate}[name]
    settings: dict[str, Any] = {"embedding_dim": 8, "input_shape": (16, 16, 3)}
    head = Head(pointwise_activation=activation)
    model = create("mobilefacenet", **settings, activation=activation, head=head, pointwise=8)
    replaced = surgery.replace_activation(create("mobilefacenet", **settings), "prelu", activation)
    back = surgery.replace_activation(replaced, activation, "relu")
    for layer in ("stem_pointwise_act", "head_pointwise_act"):
        np.testing.assert_allclose(model.get_layer(layer)(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(replaced.get_layer("stem_pointwise_act")(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(back.get_layer("stem_pointwise_act")(x), np.maximum(x, 0))


def test_own_models_have_their_own_size() -> None:
    image = keras.Input((24, 24, 3))
    stem = keras.Model(image, keras.layers.Conv2D(4, 3)(image), name="stem")
    assert create(stem, 4, input_shape=(24, 24, 3)).input_shape == create(stem, 4).input_shape
    with pytest.raises(
        ValueError, match=r"^stem: input_shape is the model's own, \(24, 24, 3\), and cannot be"
    ):
        create(stem, 4, input_shape=(32, 32, 3))
