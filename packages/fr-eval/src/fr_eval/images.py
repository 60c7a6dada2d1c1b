"""Encoded images to pixels, and nothing done to them silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError

__all__ = ["check_size", "decode_image", "read_image"]


def decode_image(encoded: bytes, what: str) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, BMP or WebP file to RGB.

    Parameters
    ----------
    encoded : bytes
    what : str
        What the message calls it.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
    except cv2.error:  # a header that announces more pixels than OpenCV allows
        pixels = None
    if pixels is None:
        raise InputError(f"{what}: not an image that can be decoded")
    return np.ascontiguousarray(pixels[:, :, ::-1], dtype=np.uint8)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as RGB."""
    try:
        return decode_image(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def check_size(image: NDArray[np.uint8], size: tuple[int, int], what: str) -> None:
    """Raise InputError unless an image has the height and width that the model wants."""
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        raise InputError(f"{what}: {height}x{width} pixels, the model wants {size[0]}x{size[1]}")
