"""What tests share: a network of insightface's layout and what it says of images; networks of zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.fr_eval.faces import face
from tests.fr_models import insightface_files


class Source(NamedTuple):
    """An ``iresnet18`` of random numbers as of a trained one."""

    state: dict[str, np.ndarray]
    onnx: Path
    images: np.ndarray
    embeddings: np.ndarray


@pytest.fixture(scope="session")
def iresnet18(tmp_path_factory: pytest.TempPathFactory) -> Source:
    pytest.importorskip("onnxruntime")
    state = insightface_files.state_dict(np.random.default_rng(7))
    path = tmp_path_factory.mktemp("iresnet18") / "r18.onnx"
    insightface_files.write_onnx(path, state, folded=False)
    pixels = np.stack([face(identity, 0, insightface_files.SIZE) for identity in range(3)])
    images = (pixels.astype(np.float32) - 127.5) / 127.5
    return Source(state, path, images, insightface_files.run_onnx(path, images))


@pytest.fixture
def of_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks get zeros where their weights are drawn, which takes half the time of building a large one."""

    def zeros(shape: Any, dtype: Any = tf.float32, **_: Any) -> tf.Tensor:
        return tf.zeros(shape, dtype)

    for name in ("stateless_normal", "stateless_truncated_normal", "stateless_uniform"):
        monkeypatch.setattr(tf.random, name, zeros)
