"""The head of a synthetic face in space: where on it each pixel of the aligned crop looks.

A head is an ellipsoid with an own lower half, widened at the jaw. It is turned, its five landmarks are
projected, and the crop is laid by them as crops of photographs are: by the similarity that brings them onto
ArcFace's template.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from fr_eval.alignment import TEMPLATE_112, similarity_transform
from numpy.typing import NDArray

from fr_models.data._face_people import Person, Scene

SIZE = 112
ROWS, COLUMNS = np.indices((SIZE, SIZE), np.float32)
RADIUS = 50.0  # by which relative distances become pixels
JAW_END = 0.75  # of the chin's height: below, the jaw's width no longer grows

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """What each pixel of the crop sees of a head; maps are float32 ``[112, 112]``.

    Attributes
    ----------
    x, y : ndarray
        Before the crop: the plane of the photograph, origin in the head's middle.
    across, down, out : ndarray
        The place on the head, in the head's own axes.
    normal : ndarray ``[3, 112, 112]``
        In the head's axes.
    inside : ndarray
        Which part of the pixel the head covers.
    rotation : ndarray ``[3, 3]``
        The head's axes to the camera's.
    scale : float
        Pixels of the crop a unit.
    """

    x: Map
    y: Map
    across: Map
    down: Map
    out: Map
    normal: NDArray[np.float32]
    inside: Map
    rotation: NDArray[np.float32]
    scale: float
    half_axes: tuple[float, float, float, float]

    @classmethod
    def of(cls, person: Person, scene: Scene) -> Surface:
        """Turn a person's head and lay the crop."""
        rotation = _rotation(*scene.turn)
        transform = _crop(person, scene, rotation)
        x, y = _affine(np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2], COLUMNS, ROWS)
        half_width, chin, crown, depth = person.head
        _, rough, _, _ = _hit(x, y, rotation, half_width, (chin + crown) / 2, depth)
        height = np.where(rough < 0, np.float32(crown), np.float32(chin))
        lower = np.clip(rough / chin, 0, JAW_END) / JAW_END
        width = half_width * (1 + person.jaw * lower * lower)
        across, down, out, distance = _hit(x, y, rotation, width, height, depth)
        normal = np.stack([across / (width * width), down / (height * height), out / (depth * depth)])
        normal /= np.sqrt((normal * normal).sum(axis=0))
        scale = float(np.hypot(*transform[:, 0]))
        inside = np.clip(0.5 + (1 - distance) * RADIUS * scale, 0, 1)
        axes = (half_width, chin, crown, depth)
        return cls(x, y, across, down, out, normal, inside, rotation, scale, axes)

    @cached_property
    def parallax(self) -> float:
        """How far sideways on the head a part moves that sticks out by one unit."""
        return float(self.rotation[0, 2] / self.rotation[0, 0])

    def edge(self, distance: NDArray[Any], softness: float = 1.0) -> Map:
        """Coverage of pixels whose signed distance to an edge is given, positive inside."""
        return np.clip(0.5 + distance * np.float32(self.scale / softness), 0, 1).astype(
            np.float32, copy=False
        )

    def projected(self, point: tuple[float, float, float]) -> tuple[float, float]:
        """Where in the photograph a point of the head's axes is."""
        x, y, _ = self.rotation @ np.array(point, np.float32)
        return float(x), float(y)

    def shell(self, more: float) -> Map:
        """Signed distance to the silhouette of a head that is larger by a share; positive inside."""
        half_width, chin, crown, depth = (axis * (1 + more) for axis in self.half_axes)
        height = np.where(self.y < 0, np.float32(crown), np.float32(chin))
        *_, distance = _hit(self.x, self.y, self.rotation, half_width, height, depth)
        return (1 - distance) * np.float32(RADIUS)


def _rotation(side: float, down: float, shoulder: float) -> NDArray[np.float32]:
    (s, c), (sd, cd), (ss, cs) = ((np.sin(angle), np.cos(angle)) for angle in (side, down, shoulder))
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    about_x = np.array([[1, 0, 0], [0, cd, sd], [0, -sd, cd]])
    about_z = np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def _crop(person: Person, scene: Scene, rotation: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the similarity ``[2, 3]`` from the photograph to the crop, as a detector's landmarks give it."""
    half_width, chin, crown, depth = person.head

    def on_head(x: float, y: float, above: float = 0.0) -> list[float]:
        height = crown if y < 0 else chin
        return [x, y, depth * np.sqrt(max(0.05, 1 - (x / half_width) ** 2 - (y / height) ** 2)) + above]

    mouth_y, mouth_x = person.mouth[0], person.mouth[1] * (1 + 0.18 * scene.smile)
    points = [
        on_head(-person.eye_distance, person.eye_height),
        on_head(person.eye_distance, person.eye_height),
        on_head(0.0, person.nose[0], person.nose[3]),
        on_head(-mouth_x, mouth_y - 2.0 * scene.smile),
        on_head(mouth_x, mouth_y - 2.0 * scene.smile),
    ]
    photograph = (np.array(points) @ rotation.T.astype(np.float64))[:, :2]
    return similarity_transform(photograph, TEMPLATE_112 + scene.landmark_error)


def _affine(transform: NDArray[np.float64], x: Map, y: Map) -> tuple[Map, Map]:
    a, b = transform.astype(np.float32)
    return a[0] * x + a[1] * y + a[2], b[0] * x + b[1] * y + b[2]


def _hit(
    x: Map, y: Map, rotation: NDArray[np.float32], width: Map | float, height: Map | float, depth: float
) -> tuple[Map, Map, Map, Map]:
    """Follow each pixel's ray to an ellipsoid: the place, and how far out it is (1: silhouette)."""
    origins = [rotation[0, axis] * x + rotation[1, axis] * y for axis in range(3)]
    ray = rotation[2]
    inverse = [1 / np.square(np.asarray(axis, np.float32)) for axis in (width, height, depth)]
    a = sum(ray[i] * ray[i] * inverse[i] for i in range(3))
    b = sum(origins[i] * ray[i] * inverse[i] for i in range(3))
    c = sum(origins[i] * origins[i] * inverse[i] for i in range(3))
    distance = np.sqrt(np.maximum(c - b * b / a, 0))
    z = (np.sqrt(np.maximum(b * b - a * (c - 1), 0)) - b) / a
    across, down, out = (origins[i] + ray[i] * z for i in range(3))
    return across, down, out, distance
