"""Small datasets that tests share: real formats, made-up faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_models.data import Dataset

from tests.fr_eval.faces import encoded, face


class InMemory(Dataset):
    """Images of lists; the plainest dataset there is."""

    def __init__(self, images: list[bytes], labels: list[int], class_names: list[str]) -> None:
        self.images, self.labels, self.class_names = images, np.array(labels, np.int64), class_names

    def read(self, index: int) -> bytes:
        return self.images[index]

    def name(self, index: int) -> str:
        return f"image {index}"


def mixed_faces(count: int = 23, classes: int = 5, size: int = 40) -> InMemory:
    """JPEG and PNG in no order, one class without images, names that sort otherwise than labels."""
    rng = np.random.default_rng(count)
    labels = [*range(classes - 1), *rng.integers(0, classes - 1, count - classes + 1).tolist()]
    rng.shuffle(labels)
    images = [
        encoded(face(label, number, size), ".png" if number % 3 == 0 else ".jpg")
        for number, label in enumerate(labels)
    ]
    names = [f"Zoë {classes - label}" for label in range(classes)]
    return InMemory(images, labels, names)


def files_below(folder: Path) -> dict[str, bytes]:
    """All files by relative name."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
