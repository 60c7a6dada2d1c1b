"""IResNet-18 as insightface's files have it, with random numbers as of a trained network."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

DIM = 64
SIZE = 48
CHANNELS = (64, 128, 256, 512)
State = dict[str, np.ndarray]


def batch_norm(rng: np.random.Generator, name: str, channels: int) -> State:
    """Tensors of a batch normalisation, as PyTorch names them."""
    return {
        f"{name}.weight": rng.uniform(0.5, 1.5, channels),
        f"{name}.bias": rng.normal(0, 0.2, channels),
        f"{name}.running_mean": rng.normal(0, 0.2, channels),
        f"{name}.running_var": rng.uniform(0.5, 2, channels),
        f"{name}.num_batches_tracked": np.asarray(1000),
    }


def state_dict(rng: np.random.Generator, dim: int = DIM) -> State:
    """Tensors by the names of arcface_torch's iresnet18."""
    state: State = {}

    def conv(name: str, filters: int, channels: int, size: int) -> None:
        scale = np.sqrt(2 / (channels * size * size))
        state[f"{name}.weight"] = rng.normal(0, scale, (filters, channels, size, size))

    def bn(name: str, channels: int) -> None:
        state.update(batch_norm(rng, name, channels))

    conv("conv1", 64, 3, 3)
    bn("bn1", 64)
    state["prelu.weight"] = rng.uniform(0.1, 0.4, 64)
    before = 64
    for stack, channels in enumerate(CHANNELS, start=1):
        for block in range(2):
            name = f"layer{stack}.{block}"
            bn(f"{name}.bn1", before)
            conv(f"{name}.conv1", channels, before, 3)
            bn(f"{name}.bn2", channels)
            state[f"{name}.prelu.weight"] = rng.uniform(0.1, 0.4, channels)
            conv(f"{name}.conv2", channels, channels, 3)
            bn(f"{name}.bn3", channels)
            if block == 0:
                conv(f"{name}.downsample.0", channels, before, 1)
                bn(f"{name}.downsample.1", channels)
            before = channels
    bn("bn2", 512)
    state["fc.weight"] = rng.normal(0, 0.01, (dim, 512 * (SIZE // 16) ** 2))
    state["fc.bias"] = rng.normal(0, 0.5, dim)
    bn("features", dim)
    state["features.weight"][:] = 1
    return {name: np.asarray(t, np.float32 if t.ndim else np.int64) for name, t in state.items()}


def write_onnx(path: Path, state: State, folded: bool, epsilon: float = 1e-5) -> Path:
    """Write the graph as torch.onnx does; folded: a BN after a convolution is in its kernel and bias."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes, initializers = [], {}

    def stored(name: str, value: np.ndarray) -> str:
        initializers[name] = numpy_helper.from_array(np.asarray(value, np.float32), name)
        return name

    def bn(x: str, name: str) -> str:
        roles = ("weight", "bias", "running_mean", "running_var")
        names = [stored(f"{name}.{role}", state[f"{name}.{role}"]) for role in roles]
        nodes.append(helper.make_node("BatchNormalization", [x, *names], [f"{name}.out"], epsilon=epsilon))
        return f"{name}.out"

    def conv_bn(x: str, conv: str, norm: str, stride: int) -> str:
        kernel = state[f"{conv}.weight"]
        window = {"kernel_shape": kernel.shape[2:], "strides": [stride] * 2}
        window["pads"] = [kernel.shape[2] // 2] * 4
        inputs = [x]
        if folded:
            scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + epsilon)
            bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
            number = len(nodes)
            inputs += [stored(f"{number}", kernel * scale[:, None, None, None]), stored(f"{number}b", bias)]
            nodes.append(helper.make_node("Conv", inputs, [f"{norm}.out"], **window))
            return f"{norm}.out"
        inputs.append(stored(f"{conv}.weight", kernel))
        nodes.append(helper.make_node("Conv", inputs, [f"{conv}.out"], **window))
        return bn(f"{conv}.out", norm)

    def prelu(x: str, name: str) -> str:
        slope = stored(f"{name}.slope", state[f"{name}.weight"][:, None, None])
        nodes.append(helper.make_node("PRelu", [x, slope], [f"{name}.out"]))
        return f"{name}.out"

    x = prelu(conv_bn("input.1", "conv1", "bn1", 1), "prelu")
    for stack in range(1, 5):
        for block in range(2):
            name, stride = f"layer{stack}.{block}", 2 - block
            y = bn(x, f"{name}.bn1")
            y = prelu(conv_bn(y, f"{name}.conv1", f"{name}.bn2", 1), f"{name}.prelu")
            y = conv_bn(y, f"{name}.conv2", f"{name}.bn3", stride)
            if block == 0:
                x = conv_bn(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            nodes.append(helper.make_node("Add", [y, x], [f"{name}.out"]))
            x = f"{name}.out"
    x = bn(x, "bn2")
    nodes.append(helper.make_node("Flatten", [x], ["flat"], axis=1))
    fc = ["flat", stored("fc.weight", state["fc.weight"]), stored("fc.bias", state["fc.bias"])]
    nodes.append(helper.make_node("Gemm", fc, ["fc.out"], transB=1))
    out = bn("fc.out", "features")
    dim = len(state["fc.bias"])
    graph = helper.make_graph(
        nodes,
        "iresnet18",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["batch", dim])],
        list(initializers.values()),
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    """Embeddings of images ``[B, H, W, 3]``, one by one, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return np.concatenate([session.run(None, {name: plane[None]})[0] for plane in planes])


def least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(np.min(np.sum(one * other, axis=1) / norms))


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Hold embeddings to those of another implementation in float32."""
    assert least_cosine(found, expected) > 0.99999
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


MXNET_IN_BLOCK = {
    "bn1": "bn1",
    "conv1": "conv1",
    "bn2": "bn2",
    "prelu": "relu1",
    "conv2": "conv2",
    "bn3": "bn3",
    "downsample.0": "conv1sc",
    "downsample.1": "sc",
}
MXNET = {
    "conv1": "conv0",
    "bn1": "bn0",
    "prelu": "relu0",
    "bn2": "bn1",
    "fc": "pre_fc1",
    "features": "fc1",
}
BN_ROLES = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def mxnet_arrays(state: State) -> State:
    """The same numbers by the names of insightface's MXNet networks."""
    arrays: State = {}
    for name, tensor in state.items():
        layer, _, role = name.rpartition(".")
        if role == "num_batches_tracked":
            continue
        if layer.startswith("layer"):
            stack, block, part = layer.removeprefix("layer").split(".", 2)
            theirs = f"stage{stack}_unit{int(block) + 1}_{MXNET_IN_BLOCK[part]}"
        else:
            theirs = MXNET[layer]
        if f"{layer}.running_mean" in state:
            arrays[BN_ROLES[role].format(theirs)] = tensor
        else:
            arrays[f"arg:{theirs}_{'gamma' if 'prelu' in layer else role}"] = tensor
    return arrays


def params_bytes(arrays: Mapping[str, np.ndarray], magic: int | None = 0xF993FAC9, storage: int = 0) -> bytes:
    """A ``.params`` file, byte by byte; without a magic number in the oldest form."""
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    for array in arrays.values():
        if magic is None:
            parts.append(struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape))
        else:
            parts.append(struct.pack("<I", magic))
            if magic != 0xF993FAC8:
                parts.append(struct.pack("<i", storage))
            parts.append(struct.pack(f"<i{array.ndim}q", array.ndim, *array.shape))
        kinds = {"float32": 0, "float64": 1, "float16": 2}
        parts.append(struct.pack("<iii", 1, 0, kinds[array.dtype.name]))
        parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    parts.append(struct.pack("<Q", len(arrays)))
    for name in arrays:
        parts.append(struct.pack("<Q", len(name)) + name.encode())
    return b"".join(parts)
