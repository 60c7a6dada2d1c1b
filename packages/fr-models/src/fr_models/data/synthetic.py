"""Synthetic faces: made-up people in made-up photographs, drawn where they are asked for.

No download, no consent, any number. An image is a pure function of (seed, identity, image): people stay who
they are when more of them, or more images of them, are asked for. Crops are aligned as ArcFace's are. The
people differ in head, skin, eyes, brows, nose, mouth, hair, beard and glasses; their photographs in pose,
light, expression, what hides the face, background, blur and noise.

The bytes are the same each time with the same versions of NumPy and OpenCV; with others, a pixel may round to
the next level.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fr_models._checks import is_whole
from fr_models.data._face_drawing import draw_face
from fr_models.data._face_people import Person, Scene
from fr_models.data._face_surface import SIZE
from fr_models.data.convert import convert_dataset
from fr_models.data.dataset import Dataset

__all__ = ["SyntheticFaces"]

JPEG_QUALITY = 95
PEOPLE, PHOTOGRAPHS, PAIRS = range(3)  # streams of random numbers of one seed


class SyntheticFaces(Dataset):
    """A dataset of made-up people; image ``i`` shows person ``i // images_per_identity``.

    Images are drawn when they are first read (some milliseconds), and then kept as JPEG (about 5 kB each).

    Parameters
    ----------
    identities, images_per_identity : int
        At least 1.
    seed : int
        Of another seed, all people are others.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> faces = SyntheticFaces(identities=3, images_per_identity=2, seed=7)
    >>> len(faces), faces.labels.tolist(), faces.draw(identity=2, image=0).shape
    (6, [0, 0, 1, 1, 2, 2], (112, 112, 3))
    """

    def __init__(self, identities: int, images_per_identity: int, seed: int = 0) -> None:
        for name, value, least in (
            ("identities", identities, 1),
            ("images_per_identity", images_per_identity, 1),
            ("seed", seed, 0),
        ):
            if not is_whole(value) or value < least:
                raise ValueError(f"{name}: expected a whole number from {least} on, got {value!r}")
        self.identities = identities
        self.images_per_identity = images_per_identity
        self.seed = seed
        self.labels = np.repeat(np.arange(identities, dtype=np.int64), images_per_identity)
        self.class_names = [f"synthetic_{seed}_{identity:05d}" for identity in range(identities)]
        self._encoded: dict[int, bytes] = {}

    def read(self, index: int) -> bytes:
        """Give an image as JPEG."""
        encoded = self._encoded.get(index)
        if encoded is None:
            encoded = self._encoded[index] = self._encode(index)
        return encoded

    def name(self, index: int) -> str:
        """Name of the person and number of the image."""
        identity, image = self._at(index)
        return f"{self.class_names[identity]}, image {image}"

    def draw(self, identity: int, image: int) -> NDArray[np.uint8]:
        """Draw a photograph of a person.

        Parameters
        ----------
        identity, image : int
            From 0 on; neither needs to be below the dataset's own numbers.

        Returns
        -------
        ndarray of uint8, shape (112, 112, 3)
            RGB.
        """
        person = _person(self.seed, identity)
        random = np.random.default_rng([self.seed, PHOTOGRAPHS, identity, image])
        return draw_face(person, Scene.drawn(random, person, SIZE))

    def write(self, folder: Path) -> None:
        """Write all images as class folders, which `fr_models.data.open_dataset` reads.

        Raises
        ------
        ValueError
            If the folder exists.
        """
        convert_dataset(self, Path(folder), "folders")

    def pairs(
        self, count: int, seed: int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Draw pairs of images for verification, half of them genuine.

        Parameters
        ----------
        count : int
            Even.
        seed : int

        Returns
        -------
        first, second : ndarray of int64, shape (count,)
            Indices of two different images.
        is_same : ndarray of bool, shape (count,)
            Genuine pairs come first.

        Raises
        ------
        ValueError
            If the count is not even, or there are not two people with two images each.
        """
        if not is_whole(count) or count < 2 or count % 2:
            raise ValueError(f"count: expected an even number from 2 on, got {count!r}")
        if self.identities < 2 or self.images_per_identity < 2:
            raise ValueError(
                f"pairs: expected two people with two images each, got {self.identities} with "
                f"{self.images_per_identity}"
            )
        random, each = np.random.default_rng([self.seed, PAIRS, seed]), self.images_per_identity
        is_same = np.arange(count) < count // 2
        person, image = random.integers(self.identities, size=count), random.integers(each, size=count)
        other_person = (person + random.integers(1, self.identities, count)) % self.identities
        other_image = (image + random.integers(1, each, count)) % each
        second = np.where(is_same, person * each + other_image, other_person * each + image)
        return person * each + image, second, is_same

    def _at(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise ValueError(f"index: expected one of {len(self)} images, got {index}")
        return divmod(int(index), self.images_per_identity)

    def _encode(self, index: int) -> bytes:
        picture = self.draw(*self._at(index))
        return cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[
            1
        ].tobytes()


@lru_cache(maxsize=4096)
def _person(seed: int, identity: int) -> Person:
    return Person.drawn(np.random.default_rng([seed, PEOPLE, identity]))
