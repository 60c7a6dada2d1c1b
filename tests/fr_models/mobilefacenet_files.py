"""MobileFaceNet as insightface's arcface_torch has it, with random numbers as of a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.fr_models.insightface_files import State, batch_norm

SIZE = 112
DIM = 32
SCALE = 2


class Step(NamedTuple):
    """A convolution and BN, and PReLU unless it is linear; the names are a Sequential's, 0, 1 and 2."""

    name: str
    channels: int
    filters: int
    size: int = 1
    stride: int = 1
    groups: int = 1
    padding: int = 0
    is_linear: bool = False


def block(name: str, channels: int, filters: int, inside: int, stride: int) -> list[Step]:
    return [
        Step(f"{name}.layers.0", channels, inside),
        Step(f"{name}.layers.1", inside, inside, 3, stride, inside, 1),
        Step(f"{name}.layers.2", inside, filters, is_linear=True),
    ]


def network() -> Iterator[tuple[list[Step], bool]]:
    """Steps in a row, and whether a shortcut passes them by."""
    narrow, wide = 64 * SCALE, 128 * SCALE
    yield [Step("layers.0", 3, narrow, 3, 2, padding=1)], False
    yield [Step("layers.1", narrow, narrow, 3, 1, 64, 1)], False
    yield block("layers.2", narrow, narrow, 128, 2), False
    for number in range(4):
        yield block(f"layers.3.layers.{number}", narrow, narrow, 128, 1), True
    yield block("layers.4", narrow, wide, 256, 2), False
    for number in range(6):
        yield block(f"layers.5.layers.{number}", wide, wide, 256, 1), True
    yield block("layers.6", wide, wide, 512, 2), False
    for number in range(2):
        yield block(f"layers.7.layers.{number}", wide, wide, 256, 1), True
    yield [Step("conv_sep", wide, 512)], False
    yield [Step("features.layers.0", 512, 512, 7, groups=512, is_linear=True)], False


def state_dict(rng: np.random.Generator) -> State:
    state: State = {}

    def bn(name: str, channels: int) -> None:
        state.update(batch_norm(rng, name, channels))

    for steps, _ in network():
        for step in steps:
            name, fan_in = f"{step.name}.layers", step.channels // step.groups * step.size**2
            shape = (step.filters, step.channels // step.groups, step.size, step.size)
            state[f"{name}.0.weight"] = rng.normal(0, np.sqrt(2 / fan_in), shape)
            bn(f"{name}.1", step.filters)
            if not step.is_linear:
                state[f"{name}.2.weight"] = rng.uniform(0.1, 0.4, step.filters)
    state["features.layers.2.weight"] = rng.normal(0, 0.05, (DIM, 512))
    bn("features.layers.3", DIM)
    return {name: np.asarray(t, np.float32 if t.ndim else np.int64) for name, t in state.items()}


def write_onnx(path: Path, state: State) -> Path:
    """Write the graph that arcface_torch's modules compute."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes, initializers = [], []

    def lay(op: str, x: str, constants: list[np.ndarray], **attributes: object) -> str:
        number = len(nodes)
        names = [f"{number}_{n}" for n in range(len(constants))]
        initializers.extend(
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in zip(names, constants, strict=True)
        )
        nodes.append(helper.make_node(op, [x, *names], [f"x{number}"], **attributes))
        return f"x{number}"

    def bn(x: str, name: str) -> str:
        roles = ("weight", "bias", "running_mean", "running_var")
        return lay("BatchNormalization", x, [state[f"{name}.{role}"] for role in roles], epsilon=1e-5)

    x = "image"
    for steps, has_shortcut in network():
        shortcut = x
        for step in steps:
            name, window = f"{step.name}.layers", {"kernel_shape": [step.size] * 2, "group": step.groups}
            window |= {"strides": [step.stride] * 2, "pads": [step.padding] * 4}
            x = bn(lay("Conv", x, [state[f"{name}.0.weight"]], **window), f"{name}.1")
            if not step.is_linear:
                x = lay("PRelu", x, [state[f"{name}.2.weight"][:, None, None]])
        if has_shortcut:
            nodes.append(helper.make_node("Add", [x, shortcut], [f"sum{len(nodes)}"]))
            x = nodes[-1].output[0]
    x = lay("Gemm", lay("Flatten", x, [], axis=1), [state["features.layers.2.weight"]], transB=1)
    x = bn(x, "features.layers.3")
    graph = helper.make_graph(
        nodes,
        "mobilefacenet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", DIM])],
        initializers,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path
