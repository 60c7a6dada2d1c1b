"""Small made-up images and networks for tests: coloured patterns, one hue an identity."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

SIZE = 32
PREPROCESSING = {"size": [SIZE, SIZE], "scale": 0.0078125, "offset": 127.5, "colour": "RGB"}


def face(identity: int, image: int, size: int = SIZE) -> np.ndarray:
    """A smooth pattern that the identity decides, with noise that the image decides: uint8 RGB."""
    coarse = np.random.default_rng(identity).uniform(0, 255, (4, 4, 3))
    noise = np.random.default_rng([identity, image]).normal(0, 12, (size, size, 3))
    smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels[:, :, ::-1])[1].tobytes()


def write_faces(folder: Path, identities: int = 6, images: int = 3) -> list[str]:
    """Write ``name_00/name_00_0001.jpg`` and so on; return the names."""
    names = []
    for identity in range(identities):
        person = f"name_{identity:02d}"
        (folder / person).mkdir(parents=True, exist_ok=True)
        for image in range(1, images + 1):
            names.append(f"{person}/{person}_{image:04d}.jpg")
            (folder / names[-1]).write_bytes(encoded(face(identity, image), ".jpg"))
    return names


def write_lfw_pairs(path: Path, folds: int = 3) -> None:
    """Write an official-style pair list over the faces of `write_faces`: two pairs of each class a fold."""
    lines = [f"{folds}\t2"]
    for fold in range(folds):
        one, other = f"name_{2 * fold:02d}", f"name_{2 * fold + 1:02d}"
        lines += [f"{one}\t1\t2", f"{other}\t2\t3", f"{one}\t1\t{other}\t1", f"{one}\t3\t{other}\t2"]
    path.write_text("\n".join(lines) + "\n")


def pixel_embedder(images: np.ndarray) -> np.ndarray:
    """Average colours on a 4 x 4 grid, centred: enough to tell the patterns apart."""
    count, height, width, _ = images.shape
    blocks = images.reshape(count, 4, height // 4, 4, width // 4, 3).mean(axis=(2, 4))
    return (blocks.reshape(count, -1) - 127.5).astype(np.float32)


def write_onnx(path: Path, batch: int | str = "batch", channels_first: bool = True, size: int = SIZE) -> None:
    """Write a network that averages colours on a 4 x 4 grid, and its sidecar."""
    from onnx import TensorProto, helper, save

    image = [batch, 3, size, size] if channels_first else [batch, size, size, 3]
    nodes = (
        [] if channels_first else [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])]
    )
    planes = "image" if channels_first else "planes"
    block = size // 4
    nodes += [
        helper.make_node(
            "AveragePool", [planes], ["grid"], kernel_shape=[block, block], strides=[block, block]
        ),
        helper.make_node("Flatten", ["grid"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "grid",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 48])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save(model, str(path))
    path.with_suffix(".json").write_text(json.dumps({**PREPROCESSING, "size": [size, size]}))


def write_external_onnx(path: Path, location: str = "shift.data") -> Path:
    """Write the network of `write_onnx` with weights, zeros, in another file, and return that."""
    import onnx

    write_onnx(path)
    model = onnx.load(str(path))
    model.graph.node[-1].output[0] = "flat"
    model.graph.node.append(onnx.helper.make_node("Add", ["flat", "shift"], ["embedding"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 48), np.float32), "shift"))
    onnx.save(model, str(path), save_as_external_data=True, location=location, size_threshold=0)
    return path.with_name(location)
