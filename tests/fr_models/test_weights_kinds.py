"""Every layer with weights is of one kind, whether a model has it or a file names its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models import create, layers, load_weights
from fr_models.weights._kinds import ROLES, kind_of, kind_of_class, snake
from tensorflow import keras

SIZE = 12
ARGUMENTS: dict[str, dict[str, Any]] = {
    "AxisSum": {"axis": 1},
    "ChannelShuffle": {"groups": 2},
    "CrossCovarianceAttention": {"heads": 2},
    "GroupedConv2D": {"filters": 6, "kernel_size": 3, "groups": 2},
    "NearestResize": {"height": 3, "width": 3},
    "RelativeAttention": {"heads": 2},
    "SelfAttention": {"heads": 2},
    "SplitChannels": {"sizes": (4, 8)},
    "StochasticDepth": {"survival": 0.5},
    "WindowAttention": {"heads": 2, "window": 4},
}
OF_KERAS = {"ChannelPReLU": "prelu", "FusedBatchNormalization": "bn", "GroupedConv2D": "conv"}


def between(name: str, prefix: str, rng: np.random.Generator | None = None) -> keras.Model:
    """One of our layers, between convolutions whose names begin with a prefix."""
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(12, 1, use_bias=False, name=f"{prefix}first")(image)
    x = getattr(layers, name)(**ARGUMENTS.get(name, {}), name=f"{prefix}own")(x)
    if isinstance(x, list | tuple):
        x = x[-1]
    model = keras.Model(image, keras.layers.Dense(5, name=f"{prefix}last")(x))
    if rng is not None:
        for variable in model.weights:
            if "int" not in str(variable.dtype):
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.mark.parametrize("name", layers.__all__)
def test_files_of_every_own_layer(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """With other names of layers, so that kind, place and shape alone pair them; none keeps its numbers."""
    layer = getattr(layers, name)
    assert kind_of(name) == kind_of(snake(name)) == kind_of_class(layer)
    source, model = between(name, "a_", rng), between(name, "b_")
    source.save(tmp_path / "net.keras")
    report = load_weights(model, tmp_path / "net.keras")
    assert not report.unused
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_own_layers_of_known_kinds() -> None:
    """What is a layer of Keras is of that layer's kind: a new one has to be in this table."""
    kinds = {name: kind_of_class(getattr(layers, name)) for name in layers.__all__}
    assert {name: kind for name, kind in kinds.items() if kind in ROLES} == OF_KERAS


def test_a_class_that_nobody_knows() -> None:
    assert kind_of("Norm", ("gamma", "beta", "moving_mean", "moving_variance")) == "bn"
    assert kind_of("Norm", ("gamma", "beta")) == "norm"
    assert kind_of("", ("depthwise_kernel", "bias")) == "depthwise"
    assert kind_of("Conv2DTranspose", ("kernel", "bias")) == "conv2d_transpose"


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_last_batch_normalisation_is_not_lost(
    suffix: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    """After a convolution that it follows, in a file of `create` whose backbone has other names."""

    def net(prefix: str) -> keras.Model:
        image = keras.Input((SIZE, SIZE, 3))
        x = keras.layers.Conv2D(4, 3, strides=4, name=f"{prefix}conv")(image)
        stem = keras.Model(image, keras.layers.ReLU(name=f"{prefix}act")(x), name="stem")
        return create(stem, embedding_dim=6, head="J")

    source, model, path = net("a_"), net("b_"), tmp_path / f"net{suffix}"
    for variable in source.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    source.save(path)
    report = load_weights(model, path)
    assert len(report.matched) == len(model.weights) and not report.unused
    images = rng.normal(size=(2, SIZE, SIZE, 3)).astype("float32")
    np.testing.assert_array_equal(model(images, training=False), source(images, training=False))
