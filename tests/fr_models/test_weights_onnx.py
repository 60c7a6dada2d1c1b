"""ONNX initialisers into our models, by graph; and Keras models of ONNX graphs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import MissingExtraError
from fr_models import Head, _keras, create, from_onnx, load_weights
from fr_models._builder import Builder
from fr_models._options import Options
from fr_models.weights._onnx_graph import read_graph
from tensorflow import keras

from tests.fr_models.conftest import Source
from tests.fr_models.insightface_files import DIM, SIZE, assert_same, least_cosine, run_onnx, write_onnx

onnx = pytest.importorskip("onnx")


def iresnet(**options: Any) -> Any:
    return create("r18", **{"embedding_dim": DIM, "head": "E", "input_shape": (SIZE, SIZE, 3), **options})


@pytest.mark.parametrize("folded", [False, True])
def test_iresnet_export(iresnet18: Source, tmp_path: Path, folded: bool) -> None:
    path = write_onnx(tmp_path / "net.onnx", iresnet18.state, folded)
    model = iresnet()
    report = load_weights(model, path)
    assert_same(model(iresnet18.images, training=False), iresnet18.embeddings)
    assert len(report.matched) == len(model.weights) and not report.missing and not report.unused
    if not folded:
        by_ours = {match.ours: match.theirs for match in report.matched}
        assert by_ours["stack1_block1_shortcut_bn/mean"] == "layer1.0.downsample.1.running_mean"
        assert by_ours["pre_embedding/mean"] == "features.running_mean+fc.bias"


def test_other_epsilon_scale_and_bias(iresnet18: Source) -> None:
    """Batch normalisation with another epsilon, or without scale, and a dense bias: the same embeddings."""
    for head in (Head("E", scale=False), Head("E", use_bias=True)):
        model = iresnet(head=head, bn_epsilon=1e-3, weights=iresnet18.onnx)
        assert_same(model(iresnet18.images, training=False), iresnet18.embeddings)


def test_into_an_inner_activation_of_another_kind(iresnet18: Source) -> None:
    model = iresnet(activation="relu")
    before = [np.array(weight) for weight in model.get_weights()]
    with pytest.raises(
        ValueError,
        match=r"r18.onnx: stack1_block1_1_bn: expected bn \[64\], found prelu \[64\] \(.*\) at its place",
    ):
        load_weights(model, iresnet18.onnx)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_another_network(iresnet18: Source) -> None:
    with pytest.raises(
        ValueError, match=r"head_dense: expected conv \[1, 1, 4608, 32\], found conv \[1, 1, 4608, 64\]"
    ):
        iresnet(embedding_dim=32, weights=iresnet18.onnx)


def test_another_padding(iresnet18: Source) -> None:
    """Kernels would fit, and the embeddings be others."""
    with pytest.raises(
        ValueError,
        match=r"stack1_block1_2_conv: expected strides \(2, 2\) and padding \(\(0, 1\), \(0, 1\)\), "
        r"found strides \(2, 2\) and padding \(\(1, 1\), \(1, 1\)\) \(Conv_\d+\)$",
    ):
        iresnet(padding="same", weights=iresnet18.onnx)


def test_from_onnx_of_an_iresnet(iresnet18: Source, tmp_path: Path) -> None:
    model = from_onnx(iresnet18.onnx)
    assert model.input_shape == (None, SIZE, SIZE, 3) and model.output_shape == (None, DIM)
    assert_same(model(iresnet18.images, training=False), iresnet18.embeddings)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(iresnet18.images), model(iresnet18.images))


def real_crops(shared_data: Path, count: int = 16) -> np.ndarray:
    import cv2

    files = sorted((shared_data / "lfw" / "aligned112").glob("*/*.jpg"))[:: 11842 // count][:count]
    pixels = np.stack([cv2.imread(str(file))[:, :, ::-1] for file in files])
    return (pixels.astype(np.float32) - 127) / 128


def test_from_onnx_on_real_crops(shared_data: Path) -> None:
    path, images = shared_data / "models" / "fr_feature_512.onnx", real_crops(shared_data)
    assert least_cosine(from_onnx(path)(images, training=False), run_onnx(path, images)) > 0.99999


def mobilefacenet() -> Any:
    """The backbone of Chen et al. 2018, table 1, up to the 1x1 convolution, with padding as PyTorch's."""
    build = Builder(Options("prelu", padding="explicit"))
    image = keras.Input((112, 112, 3))
    x = build.act(build.bn(build.conv(image, 64, 3, "stem", 2), "stem_bn"), "stem_act")
    x = build.act(build.bn(build.depthwise(x, 3, "stem_dw"), "stem_dw_bn"), "stem_dw_act")
    number = 0
    for expansion, channels, repeats, stride in (
        (2, 64, 5, 2),
        (4, 128, 1, 2),
        (2, 128, 6, 1),
        (4, 128, 1, 2),
        (2, 128, 2, 1),
    ):
        for block in range(repeats):
            name, number = f"block{number}", number + 1
            strides = stride if block == 0 else 1
            y = build.conv(x, expansion * int(x.shape[-1]), 1, f"{name}_1")
            y = build.act(build.bn(y, f"{name}_1_bn"), f"{name}_1_act")
            y = build.act(
                build.bn(build.depthwise(y, 3, f"{name}_2", strides), f"{name}_2_bn"), f"{name}_2_act"
            )
            y = build.bn(build.conv(y, channels, 1, f"{name}_3"), f"{name}_3_bn")
            is_residual = strides == 1 and y.shape[-1] == x.shape[-1]
            x = keras.layers.Add(name=f"{name}_add")([x, y]) if is_residual else y
    return keras.Model(image, x, name="mobilefacenet")


def test_mobilefacenet_export_on_real_crops(shared_data: Path) -> None:
    """A public export with batch normalisation folded into biases, into the paper's network by its graph."""
    path, images = shared_data / "models" / "fr_feature_512.onnx", real_crops(shared_data)
    head = Head("GDC", pointwise_activation="prelu")
    model = create(mobilefacenet(), head=head, pointwise=512, weights=path)
    assert least_cosine(model(images, training=False), run_onnx(path, images)) > 0.99999


def written(
    path: Path, nodes: list[Any], stored: dict[str, np.ndarray], size: int = 8, shape: Any = None
) -> Path:
    """A graph from ``x`` ``[B, 3, size, size]`` to ``y``."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or ["batch", 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), str(path))
    return path


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(op, inputs.split(), [output], **attributes)


NUMBERS = np.random.default_rng(3)
K = NUMBERS.normal(size=(4, 3, 3, 3)).astype("float32")
D = NUMBERS.normal(size=(6, 1, 3, 3)).astype("float32")
C3 = NUMBERS.uniform(0.5, 1.5, size=(3, 1, 1)).astype("float32")
ONE = np.asarray(0.5, "float32")
M = NUMBERS.normal(size=(192, 5)).astype("float32")
LOW, HIGH = np.asarray(0, "float32"), np.asarray(6, "float32")
FIRST = np.asarray(0, "int64")
SE = {
    "down": NUMBERS.normal(size=(3, 2)).astype("float32"),
    "up": NUMBERS.normal(size=(2, 3)).astype("float32"),
}

GRAPHS = {
    "uneven padding": ([node("Conv", "x k", "y", pads=[0, 1, 2, 1], strides=[2, 2])], {"k": K}),
    "same upper": ([node("Conv", "x k", "y", auto_pad="SAME_UPPER", strides=[2, 2])], {"k": K}),
    "dilated": ([node("Conv", "x k", "y", pads=[2, 2, 2, 2], dilations=[2, 2])], {"k": K}),
    "two kernels a channel": ([node("Conv", "x d", "y", group=3, pads=[1, 1, 1, 1])], {"d": D}),
    "scaled input": (
        [
            node("Sub", "x c", "a"),
            node("Mul", "a c", "b"),
            node("Div", "b one", "e"),
            node("Add", "one e", "y"),
        ],
        {"c": C3, "one": ONE},
    ),
    "number minus image": ([node("Sub", "one x", "y")], {"one": ONE}),
    "flatten and matrix": ([node("Flatten", "x", "f"), node("MatMul", "f m", "y")], {"m": M}),
    "flatten to the end": ([node("Flatten", "x", "y")], {}),
    "dynamic reshape": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s first", "n", axis=0),
            node("Unsqueeze", "n axes", "u"),
            node("Concat", "u rest", "t", axis=0),
            node("Reshape", "x t", "f"),
            node("MatMul", "f m", "y"),
        ],
        {"first": FIRST, "axes": np.asarray([0]), "rest": np.asarray([-1]), "m": M},
    ),
    "squeeze and excitation": (
        [
            node("GlobalAveragePool", "x", "p"),
            node("Flatten", "p", "f"),
            node("MatMul", "f down", "a"),
            node("Relu", "a", "b"),
            node("MatMul", "b up", "e"),
            node("Sigmoid", "e", "g"),
            node("Reshape", "g t", "h"),
            node("Mul", "x h", "y"),
        ],
        {**SE, "t": np.asarray([-1, 3, 1, 1])},
    ),
    "activations": (
        [
            node("Clip", "x low high", "a"),
            node("HardSwish", "x", "b"),
            node("HardSigmoid", "x", "c", alpha=0.2, beta=0.4),
            node("LeakyRelu", "x", "d", alpha=0.1),
            node("Concat", "a b c d", "e", axis=1),
            node("Softmax", "e", "y", axis=1),
        ],
        {"low": LOW, "high": HIGH},
    ),
    "pools": (
        [
            node("Pad", "x pads", "a"),
            node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
            node("AveragePool", "b", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
            node("AveragePool", "c", "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            node("ReduceMean", "d", "y", axes=[2, 3], keepdims=0),
        ],
        {"pads": np.asarray([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "channel shuffle": (
        [
            node("Conv", "x k", "a", pads=[1, 1, 1, 1]),
            node("Reshape", "a t", "b"),
            node("Transpose", "b", "c", perm=[0, 2, 1, 3, 4]),
            node("Reshape", "c u", "d"),
            node("MaxPool", "d", "y", kernel_shape=[2, 2]),
        ],
        {"k": K, "t": np.asarray([-1, 2, 2, 8, 8]), "u": np.asarray([-1, 4, 8, 8])},
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_operations(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    nodes, stored = GRAPHS[name]
    path = written(tmp_path / "net.onnx", nodes, stored)
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32") * 4
    expected = run_onnx(path, images)
    found = np.asarray(from_onnx(path)(images))
    if expected.ndim == 4:
        found = found.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_flattening_that_is_an_output_too(tmp_path: Path, rng: np.random.Generator) -> None:
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f m", "y")]
    path = written(tmp_path / "net.onnx", nodes, {"m": M})
    proto = onnx.load(path)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("f", 1, None))
    onnx.save(proto, path)
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    flat = images.transpose(0, 3, 1, 2).reshape(2, -1)
    dense, found = from_onnx(path)(images)
    np.testing.assert_array_equal(found, flat)
    np.testing.assert_allclose(dense, flat @ M, rtol=1e-4, atol=1e-4)


def test_channels_last_export(tmp_path: Path, rng: np.random.Generator) -> None:
    """As tf2onnx writes it: images transposed at the start, and back before the flattening."""
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "a k", "b", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Transpose", "b", "c", perm=[0, 2, 3, 1]),
        node("Reshape", "c t", "d"),
        node("MatMul", "d m", "e"),
        node("Add", "e v", "y"),
    ]
    m, v = rng.normal(size=(64, 5)).astype("float32"), rng.normal(size=5).astype("float32")
    stored = {"k": K, "t": np.asarray([-1, 64]), "m": m, "v": v}
    path = written(tmp_path / "net.onnx", nodes, stored, shape=["batch", 8, 8, 3])
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    import onnxruntime

    expected = onnxruntime.InferenceSession(str(path)).run(None, {"x": images})[0]
    np.testing.assert_allclose(from_onnx(path)(images), expected, rtol=1e-4, atol=1e-5)
    image = keras.Input((8, 8, 3))
    x = keras.layers.ZeroPadding2D(1, name="pad")(image)
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(x))
    model = keras.Model(image, keras.layers.Dense(5)(x))
    load_weights(model, path)
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_transposed", [False, True])
def test_batch_normalisation_of_a_flattened_map(
    is_transposed: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Its numbers are in the order of the flattening: of channels first, or transposed before."""
    back = [node("Transpose", "a", "b", perm=[0, 2, 3, 1])] if is_transposed else [node("Identity", "a", "b")]
    nodes = [
        node("Conv", "x k", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
        *back,
        node("Flatten", "b", "c"),
        node("BatchNormalization", "c gamma beta mean variance", "d"),
        node("MatMul", "d m", "y"),
    ]
    stored = {name: rng.uniform(0.5, 1.5, 64).astype("float32") for name in ("gamma", "beta", "mean")}
    stored |= {"k": K, "m": M[:64], "variance": stored["gamma"][::-1].copy()}
    path = written(tmp_path / "net.onnx", nodes, stored)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, use_bias=False)(keras.layers.ZeroPadding2D(1)(image))
    x = keras.layers.BatchNormalization(epsilon=1e-5)(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(5, use_bias=False)(x))
    load_weights(model, path)
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(model(images), run_onnx(path, images), rtol=1e-4, atol=1e-4)


LAST = NUMBERS.normal(size=(4, 5)).astype("float32")
POOL = [node("GlobalAveragePool", "a", "p"), node("Flatten", "p", "f"), node("MatMul", "f last", "e")]
CONV = node("Conv", "x k", "a", pads=[1, 1, 1, 1])
GATE = [node("Add", "c three", "u"), node("Clip", "u low six", "v")]
SCALARS = {
    **{"one": np.float32(1), "part": np.float32(0.2), "three": np.float32(3), "six": np.float32(6)},
    **{"sixth": np.asarray([1 / 6], "float32"), "low": LOW, "mean": np.float32(127.5), "k": K, "last": LAST},
    **{"five": np.ones((1, 5), "float32") / 2, "white": NUMBERS.normal(size=(5, 5)).astype("float32")},
}
END = node("Identity", "e", "y")


def small(activation: str = "linear") -> Any:
    """The network of CONV and POOL."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    if activation != "linear":
        x = Builder(Options("relu")).act(x, "act", activation)
    return keras.Model(image, keras.layers.Dense(5, use_bias=False)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Sub", "x mean", "s"), node("Conv", "s k", "a", pads=[1] * 4), *POOL, END], "Sub_0"),
        ([node("Mul", "part x", "s"), node("Conv", "s k", "a", pads=[1] * 4), *POOL, END], "Mul_0"),
        ([node("Conv", "x k", "c", pads=[1] * 4), node("Mul", "c part", "a"), *POOL, END], "Mul_1"),
        ([node("Conv", "x k", "c", pads=[1] * 4), node("Sub", "low c", "a"), *POOL, END], "Sub_1"),
        ([node("Conv", "x k", "c", pads=[1] * 4), node("Div", "c six", "a"), *POOL, END], "Div_1"),
        ([node("Conv", "x k", "c", pads=[1] * 4), node("Add", "c three", "a"), *POOL, END], "Add_1"),
        ([CONV, *POOL, node("Mul", "e part", "y")], "Mul_4"),
        ([CONV, *POOL, node("Mul", "e five", "y")], "Mul_4"),
        ([CONV, *POOL, node("MatMul", "e white", "y")], "MatMul_4"),
    ],
)
def test_numbers_that_the_model_has_not(nodes: Any, message: str, tmp_path: Path) -> None:
    """Preprocessing in the graph, a scaled branch, a scale or a matrix at the end."""
    path = written(tmp_path / "net.onnx", nodes, SCALARS)
    with pytest.raises(ValueError, match=rf"net.onnx: .*\b{message}\b"):
        load_weights(small(), path)


@pytest.mark.parametrize(
    ("activation", "nodes"),
    [
        ("linear", [node("Mul", "c one", "m"), node("Sub", "m low", "a")]),
        ("hard_swish", [*GATE, node("Div", "v six", "w"), node("Mul", "c w", "a")]),
        ("hard_swish", [*GATE, node("Mul", "c v", "w"), node("Mul", "w sixth", "a")]),
    ],
)
def test_numbers_that_the_model_has(
    activation: str, nodes: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Arithmetic that changes nothing, and a hard swish as older exporters write it."""
    path = written(
        tmp_path / "net.onnx", [node("Conv", "x k", "c", pads=[1] * 4), *nodes, *POOL, END], SCALARS
    )
    model, images = small(activation), rng.normal(size=(2, 8, 8, 3)).astype("float32")
    load_weights(model, path)
    np.testing.assert_allclose(model(images), run_onnx(path, images), rtol=1e-4, atol=1e-5)


def windowed(**settings: Any) -> Any:
    image = keras.Input((8, 8, 3))
    x = keras.layers.ZeroPadding2D(1)(image) if settings.get("padding") == "valid" else image
    return keras.Model(image, keras.layers.Conv2D(4, 3, use_bias=False, name="conv", **settings)(x))


ONES, REFLECTED = np.asarray([0, 0, 1, 1, 0, 0, 1, 1]), {"mode": "reflect"}
PADDED = node("Conv", "p k", "y", strides=[2, 2])


@pytest.mark.parametrize(
    ("nodes", "settings", "message"),
    [
        (
            [node("Conv", "x k", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
            {},
            r"conv: expected strides \(1, ",
        ),
        (
            [node("Conv", "x k", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
            {"padding": "valid", "strides": 2},
            r"conv: expected .+ padding \(\(1, 1\), \(1, 1\)\), found .+ \(\(0, 1\), \(0, 1\)\) \(Conv_0\)$",
        ),
        (
            [node("Conv", "x k", "y", auto_pad="SAME_LOWER", strides=[2, 2])],
            {"padding": "same", "strides": 2},
            r"net.onnx: Conv_0: expected zeros as pads or SAME_UPPER, found SAME_LOWER$",
        ),
        ([node("Pad", "x ones", "p"), PADDED], {"padding": "valid"}, r"conv: expected strides \(1, 1\)"),
        (
            [node("Pad", "x ones", "p"), PADDED],
            {"padding": "same", "strides": 2},
            r"conv: expected .+ \(\(0, 1\), \(0, 1\)\), found .+ \(\(1, 1\), \(1, 1\)\) \(Conv_1\)$",
        ),
        (
            [node("Pad", "x ones", "p", **REFLECTED), PADDED],
            {"padding": "valid", "strides": 2},
            r"Pad_0: expected stored pads of zeros for 4 dimensions, found reflect \[0, 0, 1,",
        ),
    ],
)
def test_other_windows(nodes: Any, settings: Any, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", nodes, {"k": K, "ones": ONES})
    with pytest.raises(ValueError, match=message):
        load_weights(windowed(**{"padding": "same", **settings}), path)


@pytest.mark.parametrize(
    ("nodes", "settings"),
    [
        (
            [node("Conv", "x k", "y", auto_pad="SAME_UPPER", strides=[2, 2])],
            {"padding": "same", "strides": 2},
        ),
        ([node("Conv", "x k", "y", auto_pad="SAME_LOWER")], {"padding": "same"}),
        ([node("Pad", "x ones", "p"), PADDED], {"padding": "valid", "strides": 2}),
    ],
)
def test_equal_windows(nodes: Any, settings: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    path = written(tmp_path / "net.onnx", nodes, {"k": K, "ones": ONES})
    model, images = windowed(**settings), rng.normal(size=(2, 8, 8, 3)).astype("float32")
    load_weights(model, path)
    planes = run_onnx(path, images)
    np.testing.assert_allclose(model(images), planes.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "stored", "message"),
    [
        ([node("Erf", "x", "y")], {}, r"net.onnx: Erf_0: expected a known operation, found Erf$"),
        (
            [node("Div", "one x", "y")],
            {"one": ONE},
            r"Div_0 \(Div\): expected a division by a stored number, found one of it$",
        ),
        ([node("Conv", "x x", "y")], {}, r"Conv_0 \(Conv\): expected a stored kernel, found a computed one$"),
        (
            [node("MaxPool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])],
            {},
            r"MaxPool_0 \(MaxPool\): expected padding as Keras has it, \[\(0, 1\), \(0, 1\)\], found",
        ),
        (
            [node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])],
            {},
            r"MaxPool_0 \(MaxPool\): expected a pooling without dilation, found dilations \[2, 2\]$",
        ),
        (
            [node("AveragePool", "x", "y", kernel_shape=[2, 2], dilations=[1, 2])],
            {},
            r"AveragePool_0 \(AveragePool\): expected a pooling without dilation, found dilations \[1, 2\]$",
        ),
    ],
)
def test_unknown_operations(tmp_path: Path, nodes: Any, stored: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_onnx(written(tmp_path / "net.onnx", nodes, stored))


def test_softmax_of_old(tmp_path: Path) -> None:
    """Below opset 13 it is over all that comes after an axis, places too."""
    path = written(tmp_path / "net.onnx", [node("Softmax", "x", "y")], {})
    proto = onnx.load(path)
    proto.opset_import[0].version = 11
    onnx.save(proto, path)
    with pytest.raises(
        ValueError, match=r"Softmax_0 \(Softmax\): expected one over channels alone, .+ opset 11$"
    ):
        from_onnx(path)


@pytest.mark.parametrize(("start", "end"), [(1, 3), (-2, None)])
def test_a_part_of_a_shape(start: int, end: int | None, tmp_path: Path, rng: np.random.Generator) -> None:
    part = {"start": start} if end is None else {"start": start, "end": end}
    nodes = [
        node("Shape", "x", "s", **part),
        node("Concat", "batch s rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]
    rest = 8 if end == 3 else 3
    path = written(tmp_path / "net.onnx", nodes, {"batch": np.asarray([-1]), "rest": np.asarray([rest])})
    proto = onnx.load(path)
    proto.opset_import[0].version = 15
    onnx.save(proto, path)
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(from_onnx(path)(images), run_onnx(path, images))


def test_an_output_that_nothing_computes(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", [node("Relu", "x", "z")], {"y": ONE})
    with pytest.raises(ValueError, match=r"net.onnx: y: expected an output that a known operation computes"):
        from_onnx(path)


def test_no_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"net.onnx: expected an ONNX file"):
        from_onnx(path)


@pytest.mark.parametrize(
    "problem",
    [
        "ImportError('cannot import name runtime_version')",
        "AttributeError('module ml_dtypes has no attribute float4_e2m1fn')",
    ],
)
def test_an_onnx_that_is_too_new(problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What onnx says of the protobuf and the ml_dtypes that TensorFlow 2.15 wants."""
    (tmp_path / "onnx.py").write_text(f"raise {problem}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnx")
    requirement = r"'fr-models\[onnx\]'" if _keras.KERAS_3 else "'onnx<1.18'"
    with pytest.raises(
        MissingExtraError, match=rf"net.onnx needs onnx: python -m pip install {requirement}$"
    ):
        read_graph(tmp_path / "net.onnx")


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """A kernel of NaN, and a variance below 0."""
    onnx = pytest.importorskip("onnx")
    wrong = {
        "kernel": (
            {"Conv": [np.full((2, 3, 1, 1), np.nan, "float32")]},
            "expected finite numbers, found NaN",
        ),
        "variance": (
            {"BatchNormalization": [np.full(3, value, "float32") for value in (1, 0, 0, -1)]},
            "expected variances of 0 or more, found -1",
        ),
    }
    for name, (nodes, message) in wrong.items():
        ((op, tensors),) = nodes.items()
        names = [f"t{number}" for number in range(len(tensors))]
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node(op, ["x", *names], ["y"], name="layer")],
            "net",
            [onnx.helper.make_tensor_value_info("x", 1, ["b", 3, 4, 4])],
            [onnx.helper.make_tensor_value_info("y", 1, ["b", None, 4, 4])],
            [onnx.numpy_helper.from_array(t, n) for t, n in zip(tensors, names, strict=True)],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
        with pytest.raises(ValueError, match=message):
            from_onnx(tmp_path / f"{name}.onnx")
