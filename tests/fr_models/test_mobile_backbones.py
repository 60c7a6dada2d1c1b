"""Parameters of the mobile families as their publications count them, and what is special about each."""

import numpy as np
import pytest
from fr_models import Head, create
from tensorflow import keras

MILLION = 1e6


def trainable(model: keras.Model) -> int:
    """What PyTorch calls parameters: statistics of batch normalisation are not among them."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def stem(name: str) -> tuple[int, int]:
    """Trainable parameters of the backbone, and the channels of its map."""
    model = create(name, embedding_dim=1, head="H")
    kernel = model.get_layer("head_dense").kernel
    channels = int(model.get_layer("head_flatten").input.shape[-1])
    return trainable(model) - int(np.prod(kernel.shape)), channels


@pytest.mark.parametrize(
    ("name", "embedding_dim", "expected"),
    [
        ("mobilefacenet", 256, 1_092_352),
        ("mobilefacenet", 512, 1_224_448),
        ("se_mobilefacenet", 256, 1_117_192),
        ("se_mobilefacenet", 512, 1_249_288),
    ],
)
def test_the_references_head_with_pointwise_convolution(name: str, embedding_dim: int, expected: int) -> None:
    assert create(name, embedding_dim=embedding_dim, pointwise=512).count_params() == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilefacenet", 865_536),
        ("se_mobilefacenet", 890_376),
        ("ghostnet", 3_701_016),
        ("vargface", 3_022_560),
    ],
)
def test_the_references_stems(name: str, expected: int) -> None:
    model = create(name, embedding_dim=1, head="H")
    assert model.count_params() - int(np.prod(model.get_layer("head_dense").kernel.shape)) == expected


def test_mobilefacenet_of_the_paper() -> None:
    """0.99 million, with 128 numbers, BN folded, and the stem's pointwise convolution and PReLU left out."""
    model = create("mobilefacenet", embedding_dim=128, pointwise=512, head=Head(pointwise_activation="prelu"))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    folded = trainable(model) - sum(int(layer.gamma.shape[0]) for layer in norms)
    pointwise = 64 * 64 + 64 + 64
    assert round((folded - pointwise) / MILLION, 2) == 0.99


def deviation(model: keras.Model, layer: str) -> float:
    return float(np.std(model.get_layer(layer).get_weights()[0], dtype=np.float64))


def test_initial_kernels_of_mobilefacenet() -> None:
    """Xavier (MXNet) or Kaiming (PyTorch), of variance 2 over outputs, of which ``[C, 1, 3, 3]`` has 9 C."""
    model = create("mobilefacenet")
    assert deviation(model, "stack4_block1_expand_conv") == pytest.approx(np.sqrt(2 / 512), rel=0.02)
    assert deviation(model, "stack4_block1_depthwise") == pytest.approx(np.sqrt(2 / (512 * 9)), rel=0.05)


def test_initial_kernels_of_edgeface() -> None:
    """timm's normal, cut at two deviations, but PyTorch's uniform numbers in parts of a layer of low rank."""
    model, cut = create("edgeface_s"), 0.8796
    assert deviation(model, "stage4_conv") == pytest.approx(0.02 * cut, rel=0.02)
    assert deviation(model, "stage4_block1_depthwise") == pytest.approx(0.02 * cut, rel=0.02)
    for layer, inputs in (("stage4_block1_mlp_1_low", 304), ("stage4_block1_mlp_1", 152)):
        assert deviation(model, layer) == pytest.approx(1 / np.sqrt(3 * inputs), rel=0.02)
        assert np.abs(model.get_layer(layer).get_weights()[0]).max() <= 1 / np.sqrt(inputs)


@pytest.mark.parametrize(
    ("name", "millions"), [("ghostnet_100", 5.18), ("ghostnetv2", 6.16), ("ghostnetv2_130", 8.96)]
)
def test_ghostnets_with_the_classifier_of_imagenet(name: str, millions: float) -> None:
    parameters, channels = stem(name)
    classifier = (channels + 1) * 1280 + (1280 + 1) * 1000
    assert round((parameters + classifier) / MILLION, 2) == millions


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("ghostfacenetv1_s1", 4.09),
        ("ghostfacenetv1_s2", 4.07),
        ("ghostfacenetv2_s1", 6.88),
        ("ghostfacenetv2_s2", 6.84),
    ],
)
def test_ghostfacenets(name: str, millions: float) -> None:
    assert round(create(name).count_params() / MILLION, 2) == millions


@pytest.mark.parametrize(
    ("name", "pointwise", "millions"),
    [("mixfacenet_xs", 512, 1.04), ("mixfacenet_s", 1024, 3.07), ("mixfacenet_m", 1024, 3.95)],
)
def test_mixfacenets(name: str, pointwise: int, millions: float) -> None:
    head = Head("GDC", pointwise_activation="prelu")
    model, shuffled = (create(n, head=head, pointwise=pointwise) for n in (name, f"shuffle_{name}"))
    assert round(trainable(model) / MILLION, 2) == millions
    assert trainable(shuffled) == trainable(model)


@pytest.mark.parametrize(
    ("name", "rank", "millions"),
    [
        ("edgeface_xxs", None, 1.24),
        ("edgeface_xs", int(192 * 0.6), 1.77),
        ("edgeface_s", int(304 * 0.5), 3.65),
        ("edgeface_base", None, 18.23),
    ],
)
def test_edgefaces(name: str, rank: int | None, millions: float) -> None:
    """With the paper's head, layer normalisation and a dense layer, which is of low rank too."""
    parameters, channels = stem(name)
    dense = channels * 512 if rank is None else (channels + 512) * rank
    assert round((parameters + 2 * channels + dense + 512) / MILLION, 2) == millions


def test_vargface_ends_in_one_place() -> None:
    assert create("vargface", head="Z", embedding_dim=1024).output_shape == (None, 1024)


@pytest.mark.parametrize("name", ["mobilefacenet", "ghostnet", "shuffle_mixfacenet_xs"])
def test_explicit_padding_keeps_sizes_and_weights(name: str, rng: np.random.Generator) -> None:
    images = rng.normal(size=(1, 112, 112, 3)).astype("float32")
    same, explicit = (create(name, padding=padding) for padding in ("same", "explicit"))
    explicit.set_weights(same.get_weights())
    assert explicit.output_shape == same.output_shape
    expected = same(images).numpy()
    assert np.max(np.abs(explicit(images) - expected)) > 1e-3 * np.max(np.abs(expected))
