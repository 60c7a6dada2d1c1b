"""Folders of images: one subfolder an identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "by_numbers", "list_images"]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def list_images(folder: Path) -> tuple[str, ...]:
    """Return the images below a folder as sorted relative names with forward slashes.

    Numbers inside names sort by value: ``2/a.jpg`` comes before ``10/a.jpg``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    names = sorted((path.relative_to(folder).as_posix() for path in files), key=by_numbers)
    if not names:
        raise InputError(f"{folder}: no images, expected {', '.join(IMAGE_SUFFIXES)}")
    return tuple(names)


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder and whose they are.

    Attributes
    ----------
    folder : Path
    names : tuple of str
        Relative, with forward slashes.
    identities : tuple of str
        Folder names, numbers by value; an image that lies in no subfolder has the identity ``.``.
    labels : ndarray of int64, shape (N,)
        Positions in ``identities``.
    """

    folder: Path
    names: tuple[str, ...]
    identities: tuple[str, ...]
    labels: NDArray[np.int64]

    @classmethod
    def read(cls, folder: Path) -> ImageFolder:
        """List a folder."""
        names = list_images(folder)
        owners = [Path(name).parent.as_posix() for name in names]
        identities = tuple(sorted(set(owners), key=by_numbers))
        position = {identity: label for label, identity in enumerate(identities)}
        labels = np.array([position[owner] for owner in owners], dtype=np.int64)
        return cls(Path(folder), names, identities, labels)


def by_numbers(name: str) -> list[tuple[int, int, str]]:
    """Key of the order in which numbers inside names count by value: ``n2`` before ``n10``."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
