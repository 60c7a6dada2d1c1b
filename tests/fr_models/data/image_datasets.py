"""Small datasets for tests: files, or bytes in memory that count their reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fr_models.data import Dataset

from tests.fr_eval.faces import encoded, face


class Bytes(Dataset):
    """Images in memory. ``reads`` are the indices read so far."""

    def __init__(self, images: list[bytes], labels: list[int], embeddings: np.ndarray | None = None) -> None:
        self.images = images
        self.labels = np.asarray(labels, np.int64)
        self.class_names = [f"person {number}" for number in range(max(labels) + 1)]
        self.embeddings = embeddings
        self.reads: list[int] = []

    def read(self, index: int) -> bytes:
        self.reads.append(index)
        return self.images[index]

    def name(self, index: int) -> str:
        return f"memory, record {index}"


class Files(Bytes):
    """The same images in files, which TensorFlow reads."""

    def __init__(self, folder: Path, images: list[bytes], labels: list[int]) -> None:
        super().__init__(images, labels)
        self.files = [folder / f"{index}.image" for index in range(len(images))]
        for file, image in zip(self.files, images, strict=True):
            file.write_bytes(image)

    def read(self, index: int) -> bytes:
        raise AssertionError("TensorFlow reads files")

    def name(self, index: int) -> str:
        return str(self.files[index])

    def paths(self) -> list[str]:
        return [str(file) for file in self.files]


def pixels(count: int, size: int = 16) -> list[np.ndarray]:
    return [face(index, 0, size) for index in range(count)]


def small(count: int = 22, people: int = 5, suffix: str = ".png") -> tuple[list[bytes], list[int]]:
    return [encoded(image, suffix) for image in pixels(count)], [index % people for index in range(count)]
