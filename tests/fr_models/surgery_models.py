"""Small networks of every form that surgery meets, with weights as training leaves them."""

from collections.abc import Callable

import numpy as np
from fr_models import Options, create
from fr_models._builder import Builder
from fr_models.backbones.iresnet import _block
from fr_models.layers import FeatureNorm
from tensorflow import keras

SIZE = 32


def trained(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight another value than its initializer's: statistics of batch normalisation too."""
    rng = np.random.default_rng(seed)
    values = []
    for variable, old in zip(model.weights, model.get_weights(), strict=True):
        name = getattr(variable, "path", variable.name)
        if not np.issubdtype(old.dtype, np.floating):
            values.append(old)
        elif "variance" in name:
            values.append(rng.uniform(0.3, 2.0, old.shape).astype("float32"))
        elif old.ndim > 1 and "alpha" not in name:
            fan_in = np.prod(old.shape[:2]) if "depthwise" in name else np.prod(old.shape[:-1])
            values.append(rng.normal(0.0, 1 / np.sqrt(fan_in), old.shape).astype("float32"))
        else:
            values.append((old + rng.normal(0.1, 0.2, old.shape)).astype("float32"))
    model.set_weights(values)
    return model


def backbone(activation: str) -> keras.Model:
    """Two stacks of IResNet's blocks, with a squeeze-and-excitation and its stem frozen."""
    build = Builder(Options(activation, use_se=True, use_max_pool=False, padding="explicit"))
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = build.act(build.bn(build.conv(inputs, 8, 3, "stem_conv", strides=2), "stem_bn"), "stem_act")
    x = _block(x, build, 16, 2, "block1")
    x = _block(x, build, 16, 1, "block2")
    model = keras.Model(inputs, x, name="small")
    for name in ("stem_conv", "stem_bn", "stem_act"):
        model.get_layer(name).trainable = False
    return model


def iresnet() -> keras.Model:
    return create(backbone("relu"), embedding_dim=8, head="GDC", dropout=0.3)


def two_outputs() -> keras.Model:
    """Head E on PReLU, with the length of the embedding."""
    return create(backbone("prelu"), embedding_dim=8, head="E", pointwise=-1, with_norm=True)


def nested() -> keras.Model:
    """Two inputs through one convolution, one model and one Sequential; lists and keyword arguments."""
    first, second = keras.Input((SIZE, SIZE, 3), name="first"), keras.Input((SIZE, SIZE, 3), name="second")
    shared = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    normal = keras.layers.BatchNormalization(name="shared_bn")
    relu = keras.layers.ReLU(name="shared_act")
    inner = create(backbone("relu"), embedding_dim=8, head="GAP")
    tail = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, name="tail_dense"), keras.layers.BatchNormalization()],
        name="tail",
    )
    ends = [tail(inner(relu(normal(shared(x)))), training=False) for x in (first, second)]
    cosine = keras.layers.Dot(axes=1, normalize=True, name="cosine")(ends)
    both = keras.layers.Concatenate(name="both")(inputs=ends)
    norm = FeatureNorm(name="norm")(inputs=ends[0])
    return keras.Model({"first": first, "second": second}, [both, cosine, norm], name="siamese")


def mobilenet() -> keras.Model:
    return keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights=None, classes=8)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "iresnet": iresnet,
    "two_outputs": two_outputs,
    "nested": nested,
    "mobilenet": mobilenet,
}


def images(model: keras.Model, seed: int = 1) -> dict[str, np.ndarray] | np.ndarray:
    """Return inputs of a model of this file."""
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=(2, SIZE, SIZE, 3)).astype("float32") for _ in model.inputs]
    return dict(zip(("first", "second"), drawn, strict=True)) if len(drawn) == 2 else drawn[0]


def outputs(model: keras.Model) -> list[np.ndarray]:
    """Return what a model gives in inference."""
    given = model(images(model), training=False)
    return [np.asarray(output) for output in (given if isinstance(given, (list, tuple)) else [given])]
