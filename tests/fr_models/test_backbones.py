"""Backbones against their publications, and layer by layer against keras.applications of this environment."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fr_models import create
from fr_models._builder import Builder
from fr_models._registry import find
from tensorflow import keras

CLASSES = 1000

# Trained parameters with a classifier of 1000 classes, as timm and, of ResNeXt and Swin, torchvision state
# them, and the size of the input: at 112 pixels, Swin has fewer biases in its last stack.
PUBLISHED = [
    ("resnext50", 25_028_904, 112),
    ("se_resnext50", 27_559_896, 112),
    ("resnest50", 27_483_240, 112),
    ("efficientnetv2t", 13_649_388, 112),
    ("swin_t", 28_288_354, 224),
    pytest.param("resnext101", 44_177_704, 112, marks=pytest.mark.slow),
    pytest.param("se_resnext101", 48_955_416, 112, marks=pytest.mark.slow),
    pytest.param("resnest101", 48_275_016, 112, marks=pytest.mark.slow),
]

APPLICATIONS = keras.applications
BARE = {"include_preprocessing": False}
# The first weights of EfficientNet are those of its normalisation of pixels.
PREPROCESSING = 3
# Deeper and wider forms are held to their counts of parameters, in test_models.py.
ORACLES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "mobilenet": (APPLICATIONS.MobileNet, {}),
    "mobilenetv2": (APPLICATIONS.MobileNetV2, {}),
    "mobilenetv3_small": (APPLICATIONS.MobileNetV3Small, BARE),
    "mobilenetv3_large": (APPLICATIONS.MobileNetV3Large, BARE),
    "resnet50": (APPLICATIONS.ResNet50, {}),
    "resnet50v2": (APPLICATIONS.ResNet50V2, {}),
    "efficientnetb0": (APPLICATIONS.EfficientNetB0, {}),
    "efficientnetb3": (APPLICATIONS.EfficientNetB3, {}),
    "efficientnetv2b0": (APPLICATIONS.EfficientNetV2B0, BARE),
    "efficientnetv2b3": (APPLICATIONS.EfficientNetV2B3, BARE),
    "efficientnetv2s": (APPLICATIONS.EfficientNetV2S, BARE),
}
QUICK = ("mobilenet", "mobilenetv2", "mobilenetv3_small", "efficientnetb0", "resnet50")


def stem(name: str, size: int = 112, **chosen: Any) -> keras.Model:
    """Build a backbone without a head."""
    card, backbone = find(name)
    inputs = keras.Input((size, size, 3))
    return keras.Model(inputs, backbone(inputs, Builder(card.options.with_chosen(name, **chosen))))


def trained(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.usefixtures("of_zeros")
@pytest.mark.parametrize(("name", "parameters", "size"), PUBLISHED)
def test_published_parameters(name: str, parameters: int, size: int) -> None:
    model = stem(name, size)
    assert trained(model) + CLASSES * (model.output_shape[-1] + 1) == parameters
    keras.backend.clear_session()


def test_parameters_of_botnet() -> None:
    """Those of ResNet-50, with 1x1 for queries, keys and values in place of 3x3, and vectors of distances."""
    resnet50 = 25_557_032  # of torchvision, whose ResNet-50 has no biases; the paper says 25.5 M and 20.8 M
    distances = 128 * (2 * 13) + 2 * 128 * (2 * 7)
    parameters = resnet50 - 3 * 6 * 512 * 512 + distances
    assert trained(stem("botnet50")) + CLASSES * (2048 + 1) == parameters == 20_845_352


@pytest.mark.parametrize(
    ("name", "dim", "depth"), [("vit_t", 256, 12), ("vit_s", 512, 12), ("vit_b", 512, 24)]
)
def test_parameters_of_vit(name: str, dim: int, depth: int) -> None:
    patches = 9 * 9 * 3 * dim + dim + 12 * 12 * dim
    norm, attention, mlp = 2 * dim, 3 * dim * dim + dim * dim + dim, 8 * dim * dim + 5 * dim
    model = stem(name)
    assert model.count_params() == patches + depth * (2 * norm + attention + mlp) + norm
    assert model.output_shape == (None, 12, 12, dim)


def oracle(name: str, rng: np.random.Generator) -> tuple[keras.Model, list[np.ndarray]]:
    """A model of keras.applications whose biases and statistics are not those it begins with."""
    build, options = ORACLES[name]
    model = build(include_top=False, weights=None, input_shape=(112, 112, 3), **options)
    skipped = PREPROCESSING if name.startswith("efficientnetb") else 0
    weights = model.get_weights()
    for weight in weights[skipped:]:
        if weight.ndim == 1:
            weight[:] = rng.uniform(0.5, 1.5, weight.shape)
        else:
            weight[:] *= 0.5  # deep networks would blow the least difference of roundings up
    model.set_weights(weights)
    return model, weights[skipped:]


@pytest.fixture
def float64() -> Iterator[None]:
    keras.mixed_precision.set_global_policy("float64")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ORACLES]
)
@pytest.mark.usefixtures("float64")
def test_same_as_keras_applications(name: str, rng: np.random.Generator) -> None:
    """As many parameters of the same shapes, and the same last map from the same weights."""
    expected, weights = oracle(name, rng)
    model = stem(name)
    assert model.count_params() == sum(weight.size for weight in weights)
    model.set_weights(weights)
    images = rng.integers(0, 256, (2, 112, 112, 3)) / 256
    pixels = images * 255 if name.startswith("efficientnetb") else images  # which inputs in float32 hold
    feature_map = expected(pixels, training=False).numpy()
    atol = 1e-6 * np.abs(feature_map).max()
    np.testing.assert_allclose(model(images, training=False), feature_map, rtol=1e-5, atol=atol)
    keras.backend.clear_session()


def test_the_references_last_maps() -> None:
    """Of 112 pixels; only MobileNet's own padding ends in 3 x 3."""
    assert stem("mobilenet").output_shape == (None, 3, 3, 1024)
    assert stem("mobilenet", padding="same").output_shape == (None, 4, 4, 1024)
    assert stem("mobilenet_m1").output_shape == (None, 7, 7, 1024)
    assert stem("mobilenetv2").output_shape == (None, 4, 4, 1280)
    assert stem("mobilenetv3_small").output_shape == (None, 4, 4, 576)
    assert stem("mobilenetv3_large").output_shape == (None, 4, 4, 960)


@pytest.mark.parametrize("name", QUICK)
def test_options_reach_every_layer(name: str) -> None:
    model = create(name, head="GAP", bn_momentum=0.5, bn_epsilon=0.01, padding="explicit", activation="elu")
    normalisations = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {(x.momentum, x.epsilon) for x in normalisations} == {(0.5, 0.01)}
    own = {"relu6", "swish", "hard_swish", "relu"} if name != "mobilenetv3_small" else {"hard_swish"}
    assert not own & {getattr(x.activation, "__name__", "") for x in model.layers if hasattr(x, "activation")}
    for layer in model.layers:
        if max(getattr(layer, "strides", (1,))) > 1 and max(getattr(layer, "kernel_size", (1,))) > 1:
            assert layer.padding == "valid", layer.name


def test_a_head_on_a_transformer_has_the_batch_normalisation_that_is_chosen() -> None:
    layers = create("vit_t", bn_momentum=0.8).layers
    assert {layer.momentum for layer in layers if hasattr(layer, "moving_mean")} == {0.8}
