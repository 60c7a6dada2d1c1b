"""What is painted on the head of a synthetic face, each part by signed distances on the head's surface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fr_models.data._face_people import Colour, Person, Scene
from fr_models.data._face_surface import Map, Surface

SCLERA = np.array([0.90, 0.88, 0.86], np.float32)
TEETH = np.array([0.88, 0.85, 0.80], np.float32)
MOUTH_INSIDE = np.array([0.16, 0.05, 0.05], np.float32)
NEARLY_BLACK = np.array([0.05, 0.04, 0.04], np.float32)


class Paint:
    """Colours of the head's surface, float32 ``[112, 112, 3]``, and what is laid over them."""

    def __init__(self, surface: Surface, base: Colour) -> None:
        self.surface = surface
        self.colours = np.empty((*surface.across.shape, 3), np.float32)
        self.colours[:] = base

    def over(self, coverage: NDArray[Any], colour: NDArray[Any]) -> None:
        """Lay a colour over what is there."""
        self.colours += coverage[:, :, None] * (colour - self.colours)

    def darken(self, amount: NDArray[Any]) -> None:
        """Take a share of the light away."""
        self.colours *= (1 - amount)[:, :, None]


def paint_skin(paint: Paint, person: Person) -> None:
    """Unevenness, blush, moles, and the folds of age."""
    surface = paint.surface
    across, down = surface.across, surface.down
    uneven = cv2.remap(
        cv2.resize(person.texture, (64, 64), interpolation=cv2.INTER_CUBIC),
        across * np.float32(0.5) + 32,
        down * np.float32(0.5) + 30,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    paint.darken(0.045 * uneven)
    red = person.blush * (blob(across - 24, down - 16, 11, 9) + blob(across + 24, down - 16, 11, 9))
    paint.colours *= 1 - red[:, :, None] * np.array([0.0, 0.45, 0.4], np.float32)
    for x, y, radius, dark in person.moles:
        paint.darken(surface.edge(radius - np.hypot(across - x, down - y)) * dark)
    bags = person.eye_height + 1.6 * person.eye_size[1] + 2.0
    for side in (-1, 1):
        bag = blob(across - side * person.eye_distance, down - bags, 6.5, 1.8)
        paint.darken(bag * np.float32(0.05 + 0.16 * person.age))
    forehead = np.sin(down * 0.9 + 0.04 * across) * blob(across, down + 27, 18, 7)
    paint.darken(np.maximum(forehead, 0) * np.float32(0.14 * max(0.0, person.age - 0.35)))


def paint_eyes(paint: Paint, person: Person, scene: Scene) -> None:
    """Lids, whites, irises, lashes and brows."""
    surface = paint.surface
    half_width, half_height = person.eye_size
    for side, x, y in _eye_axes(surface, person):
        arch = 1 - np.square(x / half_width)
        opened = half_height * scene.eyes_open * (1 - person.lid * 0.6)
        upper, lower = y + opened * arch, half_height * 0.55 * arch * min(1.0, scene.eyes_open + 0.2) - y
        crease = np.abs(y + (half_height * (1.05 + 0.5 * person.lid) + 1.2) * np.maximum(arch, -0.2))
        paint.darken(np.clip(1 - crease / 1.5, 0, 1) * (np.abs(x) < half_width * 1.1) * np.float32(0.34))
        paint.darken(blob(x + side * 2.0, y + 2.5, half_width * 1.1, half_height * 1.5) * np.float32(0.16))
        eye = surface.edge(np.minimum(upper, lower))
        paint.over(eye, SCLERA * (1 - 0.25 * np.square(x / half_width).clip(0, 1))[:, :, None])
        gaze_x, gaze_y = scene.gaze[0] * half_width, scene.gaze[1] * half_height - 0.25
        from_iris = np.hypot(x - gaze_x, y - gaze_y)
        rim = surface.edge(person.iris_radius - from_iris)
        paint.over(
            eye * rim,
            person.iris * (0.55 + 0.6 * (from_iris / person.iris_radius).clip(0, 1) ** 0.5)[:, :, None],
        )
        paint.over(eye * rim * np.clip(from_iris - person.iris_radius + 1.0, 0, 1), NEARLY_BLACK)
        paint.over(eye * surface.edge(0.42 * person.iris_radius - from_iris), NEARLY_BLACK)
        glint = np.hypot(x - gaze_x - 1.2 * np.sign(scene.light[0]), y - gaze_y + 1.2)
        paint.over(eye * surface.edge(0.62 - glint), np.ones(3, np.float32))
        paint.darken(eye * np.clip(1 - upper / 2.2, 0, 1) * np.float32(0.5))
        lashes = np.clip(1.25 - np.abs(upper - 0.2) / 0.9, 0, 1) * (arch > 0)
        paint.over(lashes * np.float32(0.85), NEARLY_BLACK)
        paint.darken(np.clip(1 - np.abs(lower) / 0.8, 0, 1) * (arch > 0) * np.float32(0.3))
        _paint_brow(paint, person, scene, x, y)


def _eye_axes(surface: Surface, person: Person) -> Iterator[tuple[int, Map, Map]]:
    """For each eye its side, and maps along it (outwards positive) and down."""
    sine, cosine = np.float32(np.sin(person.eye_tilt)), np.float32(np.cos(person.eye_tilt))
    for side in (-1, 1):
        x = side * (surface.across - side * np.float32(person.eye_distance))
        y = surface.down - np.float32(person.eye_height)
        yield side, cosine * x - sine * y, sine * x + cosine * y


def _paint_brow(paint: Paint, person: Person, scene: Scene, x: Map, y: Map) -> None:
    gap, thickness, arch, slope = person.brow
    length = person.eye_size[0] * 1.45
    along = x / length
    middle = -gap - scene.brow_raise - arch * (1 - np.square(along - 0.25)) + slope * x
    thick = thickness * np.clip(1.1 - 0.75 * np.maximum(along, -0.2), 0.05, 1.3) * (np.abs(along) < 1)
    hairs = 0.82 + 0.18 * np.sin(x * 3.1 + y * 2.3)
    coverage = paint.surface.edge(thick - np.abs(y - middle), softness=2.2) * (np.abs(along) < 1.02)
    paint.over(coverage * hairs.astype(np.float32) * np.float32(0.85), person.brow_colour)


def paint_nose(paint: Paint, person: Person) -> None:
    """Nostrils, the wings' creases, and the shadow below; light gives the rest."""
    surface = paint.surface
    tip, half_width, _, protrusion = person.nose
    x = surface.across - np.float32(surface.parallax * protrusion * 0.7)
    y = surface.down - np.float32(tip)
    for side in (-1, 1):
        nostril = 1 - np.hypot((x - side * half_width * 0.47) / 2.1, (y - 4.6 + 0.25 * side * x) / 1.15)
        paint.over(surface.edge(nostril * 1.2) * np.float32(0.72), paint.colours * 0.22)
        crease = np.hypot(x - side * half_width * 0.62, (y - 2.6) * 0.85) - half_width * 0.42
        outer = (side * x > half_width * 0.62) & (y > -1.5)
        paint.darken(np.clip(1 - np.abs(crease) / 1.2, 0, 1) * outer * np.float32(0.30))
    paint.darken(blob(x, y - 6.4, half_width * 0.8, 1.9) * np.float32(0.26))


def paint_mouth(paint: Paint, person: Person, scene: Scene) -> None:
    """Lips, what is between them, and the folds that a smile makes."""
    surface = paint.surface
    height, half_width, upper_lip, lower_lip = person.mouth
    half_width = half_width * (1 + 0.18 * scene.smile)
    x, y = surface.across / np.float32(half_width), surface.down - np.float32(height)
    y = y + np.float32(4.5 * scene.smile) * (np.square(x) - 0.35)
    inner = np.maximum(1 - np.square(x), 0)
    gap = 3.2 * scene.mouth_open * inner
    bow = person.bow * np.exp(-np.square(x * 4.5))
    thin = np.sqrt(inner)
    top, bottom = -upper_lip * thin * (1.15 - 0.3 * np.abs(x)) - gap * 0.4 + bow, lower_lip * thin + gap * 0.6
    within = surface.edge((1 - np.abs(x)) * np.float32(half_width))
    lips = surface.edge(np.minimum(y - top, bottom - y), softness=1.6) * within
    paint.over(lips * np.float32(0.85), person.lips)
    paint.darken(lips * (y < 0) * np.float32(0.14))
    opening = surface.edge(np.minimum(y + gap * 0.4, gap * 0.6 - y)) * within
    paint.over(opening, MOUTH_INSIDE)
    paint.over(opening * surface.edge(gap * 0.3 - y) * np.float32(0.9), TEETH)
    line = np.clip(1.1 - np.abs(y) / 0.8, 0, 1) * within * (scene.mouth_open < 0.15)
    paint.darken(line.astype(np.float32) * np.float32(0.55))
    paint.darken(blob(surface.across, y - lower_lip - 3.0, half_width * 0.6, 1.8) * np.float32(0.18))
    for side in (-1, 1):
        fold = surface.across * side - (half_width * 0.62 + 4.5 + 0.33 * (surface.down - person.nose[0]))
        along = blob(surface.down - (person.nose[0] + height) / 2 - 2, 0, 8.5, 1)
        strength = 0.08 + 0.22 * person.age + 0.20 * max(0.0, scene.smile)
        paint.darken(np.clip(1 - np.abs(fold) / 1.8, 0, 1) * along * np.float32(strength))


def paint_beard(paint: Paint, person: Person, grain: Map) -> None:
    """Stubble, moustache, goatee or a full beard."""
    if person.beard == "none":
        return
    surface = paint.surface
    mouth, half_width = person.mouth[0], person.mouth[1]
    across, down = np.abs(surface.across), surface.down
    under_nose = surface.edge(np.minimum(down - person.nose[0] - 7.5, mouth - person.mouth[2] - down), 4)
    moustache = under_nose * surface.edge(half_width * 1.12 - across, 5)
    chin = surface.edge(down - mouth - person.mouth[3] - 1.5, 5) * surface.edge(half_width * 0.95 - across, 6)
    cheek_line = mouth - 4 - 0.030 * np.square(across) + 0.55 * across
    low = np.maximum(down - cheek_line, 1.35 * (across - 36))
    full = surface.edge(np.minimum(low, down + 4), 7)
    mouth_itself = 1 - np.hypot(across / (half_width * 1.1), (down - mouth) / (person.mouth[3] + 2.5))
    full = np.maximum(full * surface.edge(-mouth_itself * 6, 3), moustache)
    shapes = {"moustache": moustache, "goatee": np.maximum(moustache, chin), "full": full, "stubble": full}
    strength = 0.38 if person.beard == "stubble" else 0.88
    coverage = shapes[person.beard] * np.float32(strength) * (0.8 + 0.25 * grain).clip(0, 1.1)
    paint.over(np.minimum(coverage, 1), person.hair * np.float32(0.85))


def paint_glasses(paint: Paint, person: Person, dark: bool) -> None:
    """Rims, bridge and temples; ``dark`` ones are sunglasses, which anybody may wear."""
    surface = paint.surface
    half_width, half_height, roundness, thick = person.glasses or (12.0, 9.0, 0.7, 1.2)
    colour = person.glasses_colour
    middle = np.float32(person.eye_distance + 0.5)
    x = np.abs(surface.across) - middle
    y = surface.down - np.float32(person.eye_height + 1.0)
    radius = roundness * min(half_width, half_height)
    corner_x, corner_y = np.abs(x) - (half_width - radius), np.abs(y) - (half_height - radius)
    lens = (
        radius
        - np.hypot(np.maximum(corner_x, 0), np.maximum(corner_y, 0))
        - np.minimum(np.maximum(corner_x, corner_y), 0)
    )
    if dark:
        paint.over(surface.edge(lens) * np.float32(0.93), colour * np.float32(0.4))
        paint.over(blob(x - y * 0.5, y + 3, 2.5, 6) * surface.edge(lens) * np.float32(0.25), SCLERA)
    else:
        paint.over(surface.edge(lens) * np.float32(0.07), SCLERA)
    rim = surface.edge(thick - np.abs(lens))
    bridge = surface.edge(np.minimum(thick * 0.8 - np.abs(y + 2.2), -x - half_width + 1))
    temple = surface.edge(np.minimum(thick - np.abs(y + 2.5), x - half_width + 1))
    paint.over(np.maximum(np.maximum(rim, bridge), temple), colour)


def blob(x: Map | float, y: Map | float, width: float, height: float) -> Map:
    """Return a Gaussian spot."""
    spot: Map = np.exp(-0.5 * (np.square(x / np.float32(width)) + np.square(y / np.float32(height)))).astype(
        np.float32
    )
    return spot
