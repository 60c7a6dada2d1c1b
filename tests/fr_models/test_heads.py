"""Heads: their sizes, and what each does to features."""

from typing import Any

import numpy as np
import pytest
from fr_models import HEADS, Head, Options, create
from fr_models._builder import Builder
from tensorflow import keras

MAP = 7 * 7 * 64
BN = 4


def _stem() -> keras.Model:
    inputs = keras.Input((112, 112, 3))
    return keras.Model(inputs, keras.layers.Conv2D(64, 16, strides=16)(inputs), name="stem")


SIZES = {
    "E": BN * 64 + MAP * 128 + BN * 128,
    "F": BN * 64 + MAP * 128,
    "G": BN * 64 + MAP * 128,
    "H": MAP * 128,
    "I": BN * 64 + MAP * 128 + BN * 128,
    "J": MAP * 128 + BN * 128,
    "GAP": BN * 64 + 64 * 128 + BN * 128,
    "GDC": MAP + BN * 64 + 64 * 128 + BN * 128,
    "GNAP": 2 * BN * 64 + 64 * 128 + BN * 128,
}


@pytest.mark.parametrize("kind", SIZES)
def test_parameters(kind: str) -> None:
    stem = _stem()
    model = create(stem, embedding_dim=128, head=kind)
    assert model.count_params() - stem.count_params() == SIZES[kind]
    assert model.output_shape == (None, 128)
    assert set(SIZES) | {"Z"} == set(HEADS)


def test_a_head_without_dense_layer() -> None:
    assert create(_stem(), embedding_dim=MAP, head="Z").output_shape == (None, MAP)
    with pytest.raises(ValueError, match=r"head Z gives the 3136 numbers of the map, not 512$"):
        create(_stem(), head="Z")


def test_the_references_form_of_f() -> None:
    stem = _stem()
    model = create(stem, embedding_dim=128, head=Head("F", first_bn=False, final_bn=True))
    assert model.count_params() - stem.count_params() == MAP * 128 + BN * 128
    assert model.get_layer("pre_embedding").scale


def test_bias_and_scale() -> None:
    model = create(_stem(), embedding_dim=128, head=Head("E", use_bias=True, scale=False))
    assert model.get_layer("head_dense").use_bias and not model.get_layer("pre_embedding").scale


def test_unknown_and_impossible() -> None:
    with pytest.raises(ValueError, match=r"head: expected one of E, F, .*, got 'X'"):
        create(_stem(), head="X")
    with pytest.raises(
        ValueError, match=r"^scale: head H has no final BN here whose scale could be left out$"
    ):
        Head("H", scale=False)
    with pytest.raises(ValueError, match=r"^use_bias: head Z has no dense layer that could have one$"):
        Head("Z", use_bias=True)
    assert not Head("H", final_bn=True, scale=False).scale
    with pytest.raises(ValueError, match=r"dropout: head H has none, got 0.4"):
        create(_stem(), head="H", dropout=0.4)


def test_norm_output(rng: np.random.Generator) -> None:
    model = create(_stem(), embedding_dim=128, with_norm=True)
    embedding, norm = model(rng.normal(size=(2, 112, 112, 3)).astype("float32"))
    np.testing.assert_allclose(norm, np.linalg.norm(embedding, axis=1), rtol=1e-5)


def test_norm_aware_pooling(rng: np.random.Generator) -> None:
    from fr_models.layers import NormAwarePooling

    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    lengths = np.linalg.norm(x.astype(float), axis=-1)
    means = [lengths[b].mean() for b in range(2)]
    expected = np.zeros((2, 1, 1, 5))
    for b in range(2):
        for i in range(3):
            for j in range(4):
                expected[b, 0, 0] += x[b, i, j] * means[b] / lengths[b, i, j] / 12
    np.testing.assert_allclose(NormAwarePooling()(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.0}, r"^dropout: expected a share in \[0, 1\), got 1.0$"),
        ({"pointwise": -2}, r"^pointwise: expected 0, -1 or a number of channels, got -2$"),
        ({"embedding_dim": 0}, r"^embedding_dim: expected a whole number of 1 or more, got 0$"),
    ],
)
def test_checks_what_it_is_called_with(settings: dict[str, Any], message: str) -> None:
    x = keras.Input((4, 4, 3))
    with pytest.raises(ValueError, match=message):
        Head("E")(x, Builder(Options()), **{"embedding_dim": 8, **settings})


@pytest.mark.parametrize("name", ["first_bn", "final_bn", "use_bias", "scale"])
def test_checks_its_settings(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected True or False, got 'no'$"):
        Head("E", **{name: "no"})
