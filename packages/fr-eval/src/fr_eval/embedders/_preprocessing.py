"""What a network does to pixels before its first layer: stored beside the model, never guessed.

So are the codes of networks that give integers, where the model's own file does not tell what they stand for,
and whether a network adds the embedding of the mirror image by itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError, UnknownPreprocessingError
from fr_eval.images import check_size
from fr_eval.provenance import sha256_of

__all__ = ["Codes", "Preprocessing", "next_sidecar", "sidecar_of"]

REQUIRED = ("size", "scale", "offset", "colour")
OPTIONAL = ("codes", "flip_sum")
OF_CODES = ("scale", "zero_point")


@dataclass(frozen=True)
class Codes:
    """Integers that stand for embeddings: ``x = (code - zero_point) * scale``.

    Attributes
    ----------
    scale : float
    zero_point : int
        The code of zero.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"codes: scale {self.scale}, expected a finite number above 0")

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return the embeddings."""
        return (np.asarray(codes, np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


@dataclass(frozen=True)
class Preprocessing:
    """``input = (pixel - offset) * scale``, on crops of one size.

    Attributes
    ----------
    size : tuple of int
        Height and width of the crops.
    scale, offset : float
        For pixels from 0 to 255.
    colour : str
        ``RGB`` or ``BGR``: the order of the network's input channels.
    codes : Codes, optional
        What the network's output stands for, if it gives integers and its file does not tell.
    flip_sum : bool
        Whether the network's embeddings are sums of the image's and its mirror image's.
    """

    size: tuple[int, int]
    scale: float
    offset: float
    colour: str
    codes: Codes | None = None
    flip_sum: bool = False

    def __post_init__(self) -> None:
        if self.colour not in ("RGB", "BGR"):
            raise InputError(f"preprocessing: colour {self.colour!r}, expected RGB or BGR")
        if len(self.size) != 2 or not all(isinstance(n, int) and n > 0 for n in self.size):
            raise InputError(f"preprocessing: size {self.size}, expected height and width in pixels")
        if not np.isfinite(self.scale) or self.scale == 0:
            raise InputError(f"preprocessing: scale {self.scale}, expected a finite number other than 0")
        if not np.isfinite(self.offset):
            raise InputError(f"preprocessing: offset {self.offset}, expected a finite number")

    @classmethod
    def beside(cls, model: Path) -> Preprocessing:
        """Read the sidecar of a model: the file that `sidecar_of` names."""
        sidecar = sidecar_of(model)
        if not sidecar.is_file():
            raise UnknownPreprocessingError(
                f"{model}: its preprocessing is unknown: write {sidecar.name} beside it"
            )
        return cls.read(sidecar)

    @classmethod
    def read(cls, sidecar: Path) -> Preprocessing:
        """Read a sidecar; what its writer says of the model besides, under ``about``, is left unread."""
        try:
            fields = json.loads(sidecar.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise InputError(f"{sidecar}: not JSON") from None
        if isinstance(fields, dict):
            fields.pop("about", None)
        return cls.from_fields(fields, str(sidecar))

    @classmethod
    def from_fields(cls, fields: Any, what: str) -> Preprocessing:
        """Build from ``{"size": [112, 112], "scale": 0.0078125, "offset": 127.5, "colour": "RGB"}``.

        ``"codes": {"scale": 0.007874, "zero_point": 128}`` and ``"flip_sum": true`` may be there, too.
        """
        if not isinstance(fields, dict) or set(fields) - set(OPTIONAL) != set(REQUIRED):
            found = ", ".join(map(str, fields)) if isinstance(fields, dict) else type(fields).__name__
            raise InputError(f"{what}: expected the fields {', '.join(REQUIRED)}, got {found}")
        try:
            height, width = fields["size"]
            scale, offset = float(fields["scale"]), float(fields["offset"])
        except (TypeError, ValueError):
            raise InputError(f"{what}: expected size [height, width] and numbers scale and offset") from None
        codes = _codes(fields["codes"], what) if "codes" in fields else None
        flip_sum = fields.get("flip_sum", False)
        if not isinstance(flip_sum, bool):
            raise InputError(f"{what}: flip_sum: expected true or false, got {flip_sum!r}")
        try:
            return cls((height, width), scale, offset, fields["colour"], codes, flip_sum)
        except InputError as error:
            raise InputError(f"{what}: {str(error).removeprefix('preprocessing: ')}") from None

    def to_fields(self) -> dict[str, Any]:
        """Return what a sidecar holds."""
        fields = asdict(self) | {"size": list(self.size)}
        return {name: value for name, value in fields.items() if name in REQUIRED or value}

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's input for RGB images of shape (B, H, W, 3)."""
        for image in images[:1]:
            check_size(image, self.size, "image")
        ordered = images if self.colour == "RGB" else images[..., ::-1]
        return (ordered.astype(np.float32) - np.float32(self.offset)) * np.float32(self.scale)


def sidecar_of(model: Path) -> Path:
    """Return where a sidecar is: ``net.json`` of ``net.onnx``, ``served.json`` of a folder ``served``.

    It is `next_sidecar` where that has the model's SHA-256: whoever wrote both was stopped between them.
    """
    waiting = next_sidecar(model)
    if waiting.is_file() and model.exists():
        try:
            about = json.loads(waiting.read_text(encoding="utf-8"))["about"]
            if about["sha256"] == sha256_of(model):
                return waiting
        except (KeyError, TypeError, ValueError):  # what nobody of ours wrote
            pass
    return model.with_name(f"{model.name}.json") if model.is_dir() else model.with_suffix(".json")


def next_sidecar(model: Path) -> Path:
    """Return where a sidecar waits for its model, whose SHA-256 it tells under ``about``."""
    return model.with_name(f".next.{model.name}.json")


def _codes(fields: Any, what: str) -> Codes:
    if not isinstance(fields, dict) or sorted(fields) != sorted(OF_CODES):
        raise InputError(f"{what}: codes: expected the fields {', '.join(OF_CODES)}, got {fields!r}")
    scale, zero_point = fields["scale"], fields["zero_point"]
    if not isinstance(scale, int | float) or not isinstance(zero_point, int):
        raise InputError(
            f"{what}: codes: expected a number scale and an integer zero_point, got {scale!r} and "
            f"{zero_point!r}"
        )
    try:
        return Codes(float(scale), zero_point)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
