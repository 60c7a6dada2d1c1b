"""A synthetic photograph: background, hair, head and features under a light, what hides it, the camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fr_models.data import _face_features as features
from fr_models.data._face_people import Person, Scene
from fr_models.data._face_surface import SIZE, Map, Surface

Picture = NDArray[np.float32]

FILM = np.float32(1.55)  # how soon bright light saturates
GLOSS = 18
GLOSS_STRENGTH = 0.16


def draw_face(person: Person, scene: Scene) -> NDArray[np.uint8]:
    """Draw a person in a scene: uint8 ``[112, 112, 3]``, RGB."""
    surface = Surface.of(person, scene)
    grain = _grain(person, surface)
    picture = _resized(scene.background, SIZE, cv2.INTER_CUBIC)
    _draw_behind(picture, person, scene, surface, grain)
    _lay(picture, surface.inside, _head(person, scene, surface, grain))
    _draw_hair_in_front(picture, person, surface, grain)
    _occlude(picture, person, scene, surface)
    return _photographed(picture, scene)


def _head(person: Person, scene: Scene, surface: Surface, grain: Map) -> Picture:
    paint = features.Paint(surface, person.skin)
    features.paint_skin(paint, person)
    features.paint_nose(paint, person)
    features.paint_mouth(paint, person, scene)
    features.paint_beard(paint, person, grain)
    features.paint_eyes(paint, person, scene)
    lit = _lit(paint.colours, _relief(person, scene, surface), scene, surface)
    on_top = features.Paint(surface, person.skin)
    on_top.colours = lit
    if scene.occlusion == "sunglasses" or scene.wears_glasses:
        features.paint_glasses(on_top, person, dark=scene.occlusion == "sunglasses")
    return on_top.colours


def _relief(person: Person, scene: Scene, surface: Surface) -> NDArray[np.float32]:
    """Return normals ``[3, H, W]`` of the head with nose, sockets, lips, cheeks and chin."""
    tip, half_width, bridge, protrusion = person.nose
    eye_x, eye_y, mouth = person.eye_distance, person.eye_height, person.mouth[0]
    lean = surface.parallax * protrusion * 0.7
    bumps = [
        (lean * 0.55, (tip + eye_y) / 2, bridge * 1.25, 9.0, protrusion * 0.42),
        (lean, tip + 0.5, half_width * 0.42, 4.2, protrusion * 0.40),
        (lean * 0.8 - half_width * 0.62, tip + 2.5, half_width * 0.30, 2.8, 1.6),
        (lean * 0.8 + half_width * 0.62, tip + 2.5, half_width * 0.30, 2.8, 1.6),
        (0.0, mouth + person.mouth[3] * 0.6, person.mouth[1] * 0.6, person.mouth[3] * 0.6, 1.3),
        (0.0, mouth - person.mouth[2] * 0.6, person.mouth[1] * 0.6, person.mouth[2] * 0.7, 0.8),
        (0.0, 48.0, 8.0, 6.0, person.chin),
        *((side * eye_x, eye_y - 1.0, 8.5, 5.0, -2.6) for side in (-1, 1)),
        *((side * eye_x, eye_y - 9.5, 9.0, 3.2, 1.3) for side in (-1, 1)),
        *(
            (
                side * 27.0,
                tip + 2.0 - 3.0 * scene.smile,
                9.0,
                7.5,
                person.cheeks + 1.8 * max(0.0, scene.smile),
            )
            for side in (-1, 1)
        ),
    ]
    slope_x, slope_y = np.zeros_like(surface.across), np.zeros_like(surface.across)
    for x, y, width, height, rise in bumps:
        to_x, to_y = surface.across - np.float32(x), surface.down - np.float32(y)
        bump = np.float32(rise) * features.blob(to_x, to_y, width, height)
        slope_x -= bump * to_x / np.float32(width * width)
        slope_y -= bump * to_y / np.float32(height * height)
    normal = surface.normal.copy()
    normal[0] -= slope_x * normal[2]
    normal[1] -= slope_y * normal[2]
    normal /= np.sqrt((normal * normal).sum(axis=0))
    return normal


def _lit(colours: Picture, normal: NDArray[np.float32], scene: Scene, surface: Surface) -> Picture:
    towards = surface.rotation.T @ scene.light
    camera = surface.rotation[2]
    halfway = (towards + camera) / np.linalg.norm(towards + camera)
    facing = np.einsum("a,ahw->hw", towards, normal)
    diffuse = np.maximum(0.15 * facing, facing).clip(-0.2, None) * np.float32(1.15 - 0.75 * scene.ambient)
    gloss = np.maximum(np.einsum("a,ahw->hw", halfway, normal), 0) ** GLOSS * np.float32(GLOSS_STRENGTH)
    light = scene.ambient + np.maximum(diffuse, -0.15)[:, :, None] * scene.light_colour
    picture: Picture = colours * light + gloss[:, :, None] * scene.light_colour * np.float32(
        1 - 0.6 * scene.ambient
    )
    return picture


def _draw_behind(picture: Picture, person: Person, scene: Scene, surface: Surface, grain: Map) -> None:
    """Neck, shirt, ears, and the hair behind the head."""
    half_width, chin, _, depth = person.head
    shade = np.float32(scene.ambient + 0.25)
    hair = _hair_colour(person, grain) * shade
    shell = surface.shell(person.hair_volume)
    if "long" in person.haircut:
        wide = surface.shell(person.hair_volume + 0.10)
        beside = half_width * (1.12 + person.hair_volume) - np.abs(surface.x)
        falling = np.minimum(beside, surface.y + 12)
        _lay(picture, surface.edge(np.maximum(np.minimum(wide, 8 - surface.y), falling), 3), hair)
    neck = surface.edge(np.minimum(half_width * 0.66 - np.abs(surface.x), surface.y - 20))
    _lay(picture, neck, person.skin * shade * np.float32(0.72))
    collar = surface.y - chin - 3 + 0.25 * np.abs(surface.x)
    _lay(picture, surface.edge(collar), scene.shirt * shade)
    for side in (-1, 1):
        x, y = surface.projected((side * half_width * 0.99, 3.0, -0.10 * depth))
        ear = 1 - np.hypot((surface.x - x) / 5.5, (surface.y - y) / 11.5)
        _lay(picture, surface.edge(ear * 6), person.skin * shade * np.float32(0.85))
    if person.haircut != "bald":
        above = np.minimum(shell, -4 - surface.y)
        _lay(picture, surface.edge(above, 2.5), hair)


def _draw_hair_in_front(picture: Picture, person: Person, surface: Surface, grain: Map) -> None:
    """Hair that grows on the head that the camera sees."""
    across, down = surface.across, surface.down
    half_width, _, _, depth = person.head
    side = np.square(across / half_width)
    strands = 1.6 * grain + 1.2 * np.sin(across * 0.55 + person.parting * 9)
    hairline = -person.hairline + 17 * side**2
    if person.haircut == "receding":
        hairline = hairline - 6 + 9 * np.cos(across * 0.11)
    elif "fringe" in person.haircut:
        parted = np.abs(across / half_width - person.parting)
        hairline = np.maximum(hairline, -21 - 9 * np.exp(-np.square(parted * 4)) + 4 * side)
    top = hairline + strands - down
    low = 12.0 if "long" not in person.haircut else 60.0
    beside = np.minimum(np.float32(0.42 * depth) - surface.out + strands, low - down)
    beside = np.minimum(beside, np.abs(across) - 0.66 * half_width)
    if person.haircut == "bald":
        top, beside = top - 200, np.minimum(beside - 6, down + 22)
    cover = surface.edge(np.maximum(top, beside), 3) * np.minimum(2 * surface.inside, 1)
    facing = np.clip(surface.normal[2] * 0.7 + 0.35, 0.3, 1)
    _lay(picture, cover, _hair_colour(person, grain) * facing[:, :, None])


def _hair_colour(person: Person, grain: Map) -> Picture:
    colours: Picture = person.hair * (1.0 + 0.28 * grain)[:, :, None]
    return colours


def _grain(person: Person, surface: Surface) -> Map:
    """Unevenness of hair along its strands, from about -1 to 1."""
    along = surface.x * np.float32(1.0) + person.parting * 6
    waves = np.sin(along * 0.9 + 0.05 * surface.y) + np.sin(along * 2.1 - 0.11 * surface.y + 1.0)
    waves += np.sin(along * 0.37 + surface.y * 0.21 + person.parting * 20)
    grain: Map = (waves / 3).astype(np.float32)
    return grain


def _occlude(picture: Picture, person: Person, scene: Scene, surface: Surface) -> None:
    """Lay a mask over nose and mouth, a hand, or a strand of hair over the face."""
    x, y, angle, half_width = scene.occlusion_place
    if scene.occlusion == "mask":
        top = surface.down - np.float32(person.nose[0] - 8) + 0.004 * np.square(surface.across)
        folds = 1 - 0.07 * np.cos(surface.down * 0.9)
        shading = (0.55 + 0.45 * surface.normal[2].clip(0, 1)) * folds
        _lay(picture, surface.edge(top) * surface.inside, scene.occlusion_colour * shading[:, :, None])
    elif scene.occlusion in ("hand", "strand"):
        along = (surface.x - x) * np.float32(np.cos(angle)) + (surface.y - y) * np.float32(np.sin(angle))
        beside = (surface.y - y) * np.float32(np.cos(angle)) - (surface.x - x) * np.float32(np.sin(angle))
        hand = scene.occlusion == "hand"
        colour = person.skin * np.float32(0.8) if hand else person.hair
        width = half_width if hand else half_width * 0.3
        fingers = 0.85 + 0.15 * np.cos(beside * 0.8)
        cover = np.minimum(width - np.abs(beside), along + (0 if hand else 60))
        _lay(picture, surface.edge(cover, 1.5), colour * fingers.astype(np.float32)[:, :, None])


def _photographed(picture: Picture, scene: Scene) -> NDArray[np.uint8]:
    """Expose, blur, and add the noise of a sensor."""
    picture = 1 - np.exp(-FILM * np.float32(scene.exposure) * picture)
    picture = (picture - 0.5) * np.float32(scene.contrast) + 0.5
    if scene.coarseness > 1:
        coarse = round(SIZE / scene.coarseness)
        picture = _resized(_resized(picture, coarse, cv2.INTER_AREA), SIZE, cv2.INTER_CUBIC)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.35 + scene.blur), np.float32)
    pixels: NDArray[np.uint8] = np.rint((picture + scene.noise).clip(0, 1) * 255).astype(np.uint8)
    return pixels


def _resized(picture: Picture, size: int, interpolation: int) -> Picture:
    return np.asarray(cv2.resize(picture, (size, size), interpolation=interpolation), np.float32)


def _lay(picture: Picture, coverage: Map, colour: NDArray[np.float32]) -> None:
    picture += coverage[:, :, None] * (colour - picture)
