"""Bounds of options, which commands know without TensorFlow."""

from __future__ import annotations

OPSETS = range(11, 19)  # what tf2onnx 1.17 writes; older ones lack operations of our networks
LARGEST_SIZE = 10_000  # height or width, pixels, of images that a wrapped model resizes
