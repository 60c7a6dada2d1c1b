"""Whom and what a synthetic face shows: what stays of a person, and what changes between photographs.

Lengths are pixels of a 112 x 112 crop of a frontal face. The origin is in the middle of the head; x points to
the right of the image, y down, z to the camera. Colours are RGB from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]

SKIN = np.array(
    [[0.98, 0.82, 0.72], [0.91, 0.71, 0.57], [0.76, 0.54, 0.39], [0.53, 0.35, 0.24], [0.33, 0.21, 0.15]]
)
HAIR = np.array(
    [
        [0.07, 0.06, 0.06],
        [0.20, 0.13, 0.08],
        [0.38, 0.24, 0.13],
        [0.70, 0.54, 0.30],
        [0.52, 0.24, 0.11],
        [0.62, 0.61, 0.60],
    ]
)
HAIR_SHARES = (0.34, 0.28, 0.14, 0.10, 0.05, 0.09)
IRIS = np.array(
    [[0.22, 0.13, 0.07], [0.36, 0.24, 0.12], [0.36, 0.42, 0.24], [0.32, 0.48, 0.62], [0.44, 0.48, 0.50]]
)
IRIS_SHARES = (0.45, 0.22, 0.11, 0.14, 0.08)

BEARDS = ("none", "stubble", "moustache", "goatee", "full")
BEARD_SHARES = (0.62, 0.12, 0.08, 0.07, 0.11)
HAIRCUTS = ("short", "fringe", "long", "long fringe", "receding", "bald")
HAIRCUT_SHARES = (0.32, 0.14, 0.24, 0.10, 0.12, 0.08)


@dataclass(frozen=True)
class Person:
    """What is the same in all photographs of a person."""

    head: tuple[float, float, float, float]  # half width, chin below and crown above the middle, half depth
    jaw: float  # how much wider than an ellipse the jaw is
    skin: Colour
    blush: float
    texture: NDArray[np.float32]  # [16, 16] of unevenness of the skin
    moles: NDArray[np.float32]  # [n, 4]: x, y, radius, darkness
    age: float  # 0 to 1: folds and bags
    eye_distance: float  # of each from the middle
    eye_height: float
    eye_size: tuple[float, float]  # half width, half height
    eye_tilt: float  # radians, outer corner up
    lid: float  # how much of the eye the upper lid takes
    iris: Colour
    iris_radius: float
    brow: tuple[float, float, float, float]  # gap to the eye, thickness, arch, slope
    brow_colour: Colour
    nose: tuple[float, float, float, float]  # tip's height, half width, bridge's half width, protrusion
    mouth: tuple[float, float, float, float]  # height, half width, upper lip, lower lip
    bow: float
    lips: Colour
    cheeks: float
    chin: float
    hair: Colour
    haircut: str
    hairline: float
    hair_volume: float
    parting: float
    beard: str
    glasses: tuple[float, float, float, float] | None  # half width, half height, roundness, thickness
    glasses_colour: Colour

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Person:
        """Draw a person."""
        uniform, normal = random.uniform, random.normal
        tone = random.beta(1.2, 1.9) * (len(SKIN) - 1)
        skin = _on_ramp(SKIN, tone) * (1 + normal(0, 0.03, 3))
        hair = HAIR[random.choice(len(HAIR), p=_darker(HAIR_SHARES, tone))] * uniform(0.75, 1.3)
        hair = hair * (1 + normal(0, 0.03, 3))
        woman = random.random() < 0.5
        haircuts = np.array(HAIRCUT_SHARES) * (
            [0.3, 1.2, 2, 2, 0, 0] if woman else [1.6, 0.8, 0.25, 0.1, 2, 2]
        )
        beards = np.array(BEARD_SHARES) * ([1, 0, 0, 0, 0] if woman else [1] * 5)
        lips = skin * np.array([0.88, 0.62, 0.62]) + np.array([0.06, 0.0, 0.01]) * uniform(
            0, 2 if woman else 0.5
        )
        wears_glasses = random.random() < 0.22
        eye_width = uniform(6.6, 9.2)
        return cls(
            head=(uniform(43, 53), uniform(51, 63), uniform(66, 78), uniform(50, 60)),
            jaw=normal(-0.04 if woman else 0.06, 0.09),
            skin=_colour(skin),
            blush=uniform(0, 0.22) if woman else uniform(0, 0.12),
            texture=random.standard_normal((16, 16), dtype=np.float32),
            moles=_moles(random),
            age=random.beta(1.2, 2.0),
            eye_distance=uniform(16.3, 19.4),
            eye_height=uniform(-11, -6.5),
            eye_size=(eye_width, eye_width * uniform(0.34, 0.52)),
            eye_tilt=normal(0.06, 0.08),
            lid=uniform(0.0, 0.35),
            iris=_colour(IRIS[random.choice(len(IRIS), p=_darker(IRIS_SHARES, tone))] * uniform(0.8, 1.2)),
            iris_radius=uniform(3.2, 3.9),
            brow=(
                uniform(6.5, 10.5),
                uniform(1.0, 1.9) if woman else uniform(1.4, 2.9),
                uniform(0.5, 3.5) if woman else uniform(0, 2.2),
                normal(0, 0.09),
            ),
            brow_colour=_colour(hair * uniform(0.45, 0.85)),
            nose=(uniform(9, 15.5), uniform(6.2, 10.8), uniform(2.2, 4.2), uniform(9, 17)),
            mouth=(
                uniform(28.5, 35.5),
                uniform(11.5, 17.5),
                uniform(1.3, 3.6) + 0.5 * woman,
                uniform(2.0, 4.8) + 0.5 * woman,
            ),
            bow=uniform(0, 1.3),
            lips=_colour(lips),
            cheeks=uniform(-0.5, 2.5),
            chin=uniform(0.5, 4.0),
            hair=_colour(hair),
            haircut=str(random.choice(HAIRCUTS, p=haircuts / haircuts.sum())),
            hairline=uniform(33, 46),
            hair_volume=uniform(0.03, 0.16),
            parting=uniform(-0.8, 0.8),
            beard=str(random.choice(BEARDS, p=beards / beards.sum())),
            glasses=(uniform(10.5, 13.5), uniform(7, 10.5), uniform(0.2, 1), uniform(0.6, 1.7))
            if wears_glasses
            else None,
            glasses_colour=_colour(uniform(0.02, 0.35) * (1 + normal(0, 0.3, 3))),
        )


@dataclass(frozen=True)
class Scene:
    """What is another in each photograph."""

    turn: tuple[float, float, float]  # radians: to the side, down, to a shoulder
    light: NDArray[np.float32]  # unit vector to the light
    light_colour: Colour
    ambient: float
    exposure: float
    contrast: float
    smile: float
    mouth_open: float
    eyes_open: float
    brow_raise: float
    gaze: tuple[float, float]
    wears_glasses: bool
    occlusion: str
    occlusion_colour: Colour
    occlusion_place: tuple[float, float, float, float]  # x, y, angle, half width
    background: NDArray[np.float32]  # [4, 4, 3]
    shirt: Colour
    landmark_error: NDArray[np.float32]  # [5, 2]
    blur: float
    coarseness: float  # 1, or how many times fewer pixels the camera had
    noise: NDArray[np.float32]  # [112, 112, 3]

    @classmethod
    def drawn(cls, random: np.random.Generator, person: Person, size: int) -> Scene:
        """Draw a photograph of a person."""
        uniform, normal = random.uniform, random.normal
        light = np.array([normal(0, 0.7), normal(-0.45, 0.4), uniform(0.35, 1.3)])
        kinds = ("none", "mask", "sunglasses", "hand", "strand")
        return cls(
            turn=(
                float(np.clip(normal(0, 0.30), -0.75, 0.75)),
                float(np.clip(normal(0, 0.13), -0.35, 0.35)),
                normal(0, 0.12),
            ),
            light=(light / np.linalg.norm(light)).astype(np.float32),
            light_colour=_colour(1 + normal(0, 0.07) * np.array([1.0, 0.1, -1.2]), most=2.0),
            ambient=uniform(0.25, 0.7),
            exposure=float(np.exp(normal(0, 0.22))),
            contrast=uniform(0.75, 1.15),
            smile=float(np.clip(normal(0.25, 0.4), -0.5, 1)),
            mouth_open=float(max(0.0, normal(-0.2, 0.5))),
            eyes_open=float(np.clip(normal(0.9, 0.2), 0.08, 1.15)),
            brow_raise=normal(0, 0.9),
            gaze=(normal(0, 0.22), normal(0, 0.14)),
            wears_glasses=person.glasses is not None and random.random() < 0.85,
            occlusion=str(random.choice(kinds, p=(0.85, 0.04, 0.04, 0.04, 0.03))),
            occlusion_colour=_colour(uniform(0.05, 0.95, 3)),
            occlusion_place=(uniform(-45, 45), uniform(10, 55), uniform(-1.2, 1.2), uniform(9, 18)),
            background=_background(random),
            shirt=_colour(uniform(0.05, 0.9, 3)),
            landmark_error=normal(0, 0.8, (5, 2)).astype(np.float32),
            blur=float(max(0.0, normal(0.35, 0.5))),
            coarseness=uniform(1.5, 3.0) if random.random() < 0.12 else 1.0,
            noise=random.standard_normal((size, size, 3), dtype=np.float32)
            * np.float32(uniform(0.003, 0.03)),
        )


def _colour(values: NDArray[np.float64], most: float = 1.0) -> Colour:
    return np.clip(np.broadcast_to(values, 3), 0.01, most).astype(np.float32)


def _background(random: np.random.Generator) -> NDArray[np.float32]:
    """Patches of one tint, lighter and darker, with a little colour of their own."""
    tint = random.uniform(0.1, 0.9) + random.normal(0, 0.09, 3)
    patches = tint + random.normal(0, 0.13, (4, 4, 1)) + random.normal(0, 0.035, (4, 4, 3))
    return patches.clip(0, 1).astype(np.float32)


def _on_ramp(ramp: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    below = min(int(place), len(ramp) - 2)
    return ramp[below] + (place - below) * (ramp[below + 1] - ramp[below])


def _darker(shares: tuple[float, ...], tone: float) -> NDArray[np.float64]:
    """Shares of colours that are listed from the common dark ones on; light ones are rare with dark skin."""
    weights = np.array(shares) * np.where(
        np.arange(len(shares)) > 1, np.exp(-1.2 * max(0.0, tone - 0.8)), 1.0
    )
    return weights / weights.sum()


def _moles(random: np.random.Generator) -> NDArray[np.float32]:
    count = random.integers(0, 5)
    places = np.column_stack([random.uniform(-34, 34, count), random.uniform(-30, 45, count)])
    looks = np.column_stack([random.uniform(0.5, 1.1, count), random.uniform(0.2, 0.6, count)])
    return np.column_stack([places, looks]).astype(np.float32)
