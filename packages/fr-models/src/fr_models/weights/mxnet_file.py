"""MXNet's ``.params``: a list of arrays and a list of their names, read byte by byte.

Little-endian. A file is ``0x112`` and 0 (uint64), the count of arrays (uint64), the arrays, the count of
names (uint64), and the names, each with its length (uint64). An array is a magic number (uint32); since
version 2 its storage (int32, 0 for dense); dimensions (int32) and sizes (int64 each); a device (two int32); a
type (int32); and its numbers. Files before version 1 have the count of dimensions in place of the magic
number, and sizes of uint32.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from fr_models.weights._channels_first import file_layer
from fr_models.weights._insightface import from_mxnet
from fr_models.weights._records import Array, File, natural

LIST = 0x112
VERSION_1, VERSION_2, VERSION_3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_DIMENSIONS = 32
TYPES: dict[int, Any] = {0: np.dtype("<f4"), 2: np.dtype("<f2")}
EPSILON = 2e-5  # of insightface's networks; the files do not say it
SUFFIXES = {
    "_weight": "kernel",
    "_bias": "bias",
    "_gamma": "gamma",
    "_beta": "beta",
    "_moving_mean": "mean",
    "_moving_var": "variance",
}


def read_mxnet(path: Path) -> File:
    """Read the layers of a file.

    Raises
    ------
    ValueError
        If it is not such a file, is cut off, or has sparse arrays or other numbers than float32 and float16.
    """
    by_layer: dict[str, dict[str, str]] = {}
    arrays = {name.split(":", 1)[-1]: array for name, array in read_arrays(path).items()}
    others = {}
    for name in sorted(arrays, key=natural):
        suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
        if suffix is None:
            others[name] = arrays[name]
        else:
            by_layer.setdefault(name.removesuffix(suffix), {})[SUFFIXES[suffix]] = name
    layers = []
    for layer, names in by_layer.items():
        if set(names) == {"gamma"}:
            names = {"alpha": names["gamma"]}
        values = {role: arrays[name].astype(np.float32) for role, name in names.items()}
        if layer == "fc1" and "gamma" in values:
            values["gamma"] = np.ones_like(
                values["gamma"]
            )  # fixed at 1 in insightface, whatever the file has
        read = file_layer(layer, values, names, EPSILON)
        read.name = from_mxnet(layer, read.kind)
        layers.append(read)
    return File(str(path), layers, is_sorted=True, others=others)


def read_arrays(path: Path) -> dict[str, Array]:
    """Arrays by name, ``arg:`` and ``aux:`` included."""
    reader = _Reader(path)
    if reader.number("Q") != LIST:
        raise ValueError(f"{path}: expected a list of MXNet arrays, which starts with 0x112")
    reader.number("Q")
    arrays = [reader.array(position) for position in range(reader.number("Q"))]
    count = reader.number("Q")
    if count != len(arrays):
        raise ValueError(f"{path}: expected {len(arrays)} names, found {count}")
    names = [reader.take(reader.number("Q"), "a name").decode("utf-8", "replace") for _ in range(count)]
    if reader.left:
        raise ValueError(f"{path}: expected the end of the file after its names, found {reader.left} bytes")
    return dict(zip(names, arrays, strict=True))


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = path.read_bytes()
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._bytes) - self._at

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise ValueError(f"{self._path}: cut off: expected {count} bytes of {what}, found {self.left}")
        self._at += count
        return self._bytes[self._at - count : self._at]

    def number(self, form: str) -> int:
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form), "a number"))[0])

    def array(self, position: int) -> Array:
        what = f"{self._path}: array {position}"
        magic = self.number("I")
        if magic in (VERSION_2, VERSION_3) and (storage := self.number("i")) != 0:
            raise ValueError(f"{what}: expected dense numbers, found sparse storage {storage}")
        if magic in (VERSION_1, VERSION_2, VERSION_3):
            dimensions, size = self.number("i"), "q"
        else:
            dimensions, size = magic, "I"
        if not 0 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"{what}: expected up to {MAX_DIMENSIONS} dimensions, found {dimensions}")
        shape = [self.number(size) for _ in range(dimensions)]
        if min(shape, default=0) < 0:
            raise ValueError(f"{what}: expected sizes of 0 or more, found {shape}")
        if not shape and magic != VERSION_3:
            return np.empty(0, np.float32)
        self.take(8, "a device")
        kind = self.number("i")
        if kind not in TYPES:
            raise ValueError(f"{what}: expected float32 (0) or float16 (2), found type {kind}")
        data = self.take(math.prod(shape) * TYPES[kind].itemsize, f"array {position}")
        return np.frombuffer(data, TYPES[kind]).reshape(shape)
