"""RandAugment: what each operation does at a magnitude from 0 to 10, by the table of AutoAugment.

There, an enhancement is a factor from 0.1 to 1.9. To read 5 as a factor of 1, as others do, makes the usual
magnitude one that changes nothing: here the factor moves away from 1 by up to 0.9, to either side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from fr_models.data import _image_operations as operations

DRAWS = 3  # uniform numbers that an operation takes: for its side and place
LARGEST_SHEAR = 0.3
LARGEST_ROTATION_RAD = math.radians(30)
LARGEST_TRANSLATION = 150 / 331  # of the size; the table's pixels are of images of 331
LARGEST_CUTOUT = 60 / 331
LARGEST_ENHANCEMENT = 0.9
LEAST_BITS = 4

Operation = Callable[[tf.Tensor, float, tf.Tensor], tf.Tensor]


def apply(name: str, image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    """Apply an operation.

    Parameters
    ----------
    name : str
        One of `fr_models.data.augmentation.OPERATIONS`.
    image : uint8 ``[H, W, 3]``
    strength : float
        Magnitude as a share of the largest, 0 to 1.
    draws : float32 ``[3]``
        Uniform random numbers in [0, 1).
    """
    return TABLE[name](image, strength, draws)


def layered(
    image: tf.Tensor, names: Sequence[str], strength: float, which: tf.Tensor, draws: tf.Tensor
) -> tf.Tensor:
    """Apply the operation that a uniform number chooses."""
    branches = [lambda name=name: apply(name, image, strength, draws) for name in names]
    return tf.switch_case(tf.cast(which * len(names), tf.int32), branches)


def _signed(largest: float, strength: float, draws: tf.Tensor) -> tf.Tensor:
    return largest * strength * tf.where(draws[0] < 0.5, -1.0, 1.0)


def _enhancing(operation: Callable[[tf.Tensor, Any], tf.Tensor]) -> Operation:
    return lambda image, strength, draws: operation(
        image, 1.0 + _signed(LARGEST_ENHANCEMENT, strength, draws)
    )


def _shear_x(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    shear = _signed(LARGEST_SHEAR, strength, draws)
    return operations.affine(image, (1.0, shear, 0.0, 0.0, 1.0, 0.0))


def _shear_y(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    shear = _signed(LARGEST_SHEAR, strength, draws)
    return operations.affine(image, (1.0, 0.0, 0.0, shear, 1.0, 0.0))


def _translate_x(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    shift = _signed(LARGEST_TRANSLATION, strength, draws) * tf.cast(tf.shape(image)[1], tf.float32)
    return operations.affine(image, (1.0, 0.0, shift, 0.0, 1.0, 0.0))


def _translate_y(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    shift = _signed(LARGEST_TRANSLATION, strength, draws) * tf.cast(tf.shape(image)[0], tf.float32)
    return operations.affine(image, (1.0, 0.0, 0.0, 0.0, 1.0, shift))


def _rotate(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    angle = _signed(LARGEST_ROTATION_RAD, strength, draws)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    return operations.affine(image, (cosine, -sine, 0.0, sine, cosine, 0.0))


def _cutout(image: tf.Tensor, strength: float, draws: tf.Tensor) -> tf.Tensor:
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    side = tf.round(LARGEST_CUTOUT * strength * size)
    corner = tf.cast(tf.floor(draws[1:3] * size - side / 2 + 0.5), tf.int32)
    side = tf.cast(side, tf.int32)
    return operations.erase(image, corner[0], corner[1], side[0], side[1])


TABLE: dict[str, Operation] = {
    "identity": lambda image, strength, draws: image,
    "auto_contrast": lambda image, strength, draws: operations.auto_contrast(image),
    "equalize": lambda image, strength, draws: operations.equalize(image),
    "rotate": _rotate,
    "solarize": lambda image, strength, draws: operations.solarize(image, 256.0 * (1.0 - strength)),
    "color": _enhancing(operations.color),
    "posterize": lambda image, strength, draws: operations.posterize(
        image, 8 - round((8 - LEAST_BITS) * strength)
    ),
    "contrast": _enhancing(operations.contrast),
    "brightness": _enhancing(operations.brightness),
    "sharpness": _enhancing(operations.sharpness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "cutout": _cutout,
}
