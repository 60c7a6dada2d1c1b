"""Encoded images: which kind, how large, and whether they decode to their end.

TensorFlow and OpenCV fill what is missing of a file that was cut short with grey; Pillow says so.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def suffix_of(image: bytes, name: str) -> str:
    """Tell ``.jpg`` from ``.png`` by the first bytes; anything else is an error."""
    if image.startswith(JPEG):
        return ".jpg"
    if image.startswith(PNG):
        return ".png"
    raise ValueError(f"{name}: neither JPEG nor PNG, it begins with {image[:8].hex(' ')}")


def image_size(image: bytes, name: str) -> tuple[int, int]:
    """Height and width, from the head of an image."""
    width, height = _open(image, name).size
    return height, width


def decode_whole(image: bytes, name: str) -> Image:
    """Decode an image to its last pixel.

    Raises
    ------
    ValueError
        If it is neither JPEG nor PNG, damaged, or cut short.
    """
    end = JPEG_END if suffix_of(image, name) == ".jpg" else PNG_END
    opened = _open(image, name)
    if end not in image:
        raise ValueError(f"{name}: cut short: the marker of its end is missing")
    try:
        opened.load()
    except Exception as error:  # a damaged image raises whatever its bytes spell
        raise ValueError(f"{name}: cannot be decoded: {' '.join(str(error).split())}") from None
    return opened


def _open(image: bytes, name: str) -> Image:
    from PIL import Image

    try:
        return Image.open(io.BytesIO(image), formats=("JPEG", "PNG"))
    except Exception as error:  # as above
        reason = "not a JPEG or PNG" if "cannot identify" in str(error) else " ".join(str(error).split())
        raise ValueError(f"{name}: cannot be decoded: {reason}") from None
