"""Augmentation in TensorFlow: an augmented image is a pure function of the image and a seed.

Every kind of change has a stream of random numbers of its own, so that one more changes nothing in the
others.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_models.data import _image_operations as operations
from fr_models.data import _rand_augment
from fr_models.data.augmentation import LARGEST_MAGNITUDE, Augmentation

CROP, COLOUR, GREY, MASK, ERASE, NOISE, LAYERS = range(7)
MASK_TOP = (0.55, 0.70)  # of the height: from below the nose's root to above the mouth
ERASED_AREA = (0.02, 0.40)
ERASED_ASPECT = (0.3, 1 / 0.3)


def augmented(image: Any, seed: Any, augmentation: Augmentation) -> tf.Tensor:
    """Augment an image by all but mirroring and mixup.

    Parameters
    ----------
    image : uint8 ``[H, W, 3]``
        Of a known size.
    seed : int64 ``[2]``
        Equal seeds give equal images.
    augmentation : Augmentation

    Returns
    -------
    uint8 ``[H, W, 3]``
    """
    shape = image.shape
    if augmentation.crop < 1.0:
        image = _cropped(image, _uniform(seed, CROP, 2), augmentation.crop)
    image = _coloured(image, 2.0 * _uniform(seed, COLOUR, 3) - 1.0, augmentation)
    if augmentation.grey:
        image = _maybe(_uniform(seed, GREY, 1)[0] < augmentation.grey, operations.grey, image)
    for layer in range(augmentation.rand_augment_layers):
        draws = _uniform(seed, LAYERS + layer, 1 + _rand_augment.DRAWS)
        strength = augmentation.rand_augment_magnitude / LARGEST_MAGNITUDE
        names = augmentation.rand_augment_operations
        image = _rand_augment.layered(image, names, strength, draws[0], draws[1:])
    if augmentation.lower_face_mask:
        draws = _uniform(seed, MASK, 2)
        image = _maybe(draws[0] < augmentation.lower_face_mask, lambda image: _masked(image, draws[1]), image)
    if augmentation.random_erase:
        draws = _uniform(seed, ERASE, 5)
        image = _maybe(
            draws[0] < augmentation.random_erase, lambda image: _erased(image, seed, draws[1:]), image
        )
    return tf.ensure_shape(image, shape)


def _uniform(seed: Any, stream: int, count: int) -> tf.Tensor:
    key = seed + tf.constant([stream, 0], tf.int64)
    return tf.random.stateless_uniform([count], key, alg="philox")


def _maybe(chosen: tf.Tensor, change: Any, image: tf.Tensor) -> tf.Tensor:
    return tf.cond(chosen, lambda: change(image), lambda: image)


def _cropped(image: tf.Tensor, draws: tf.Tensor, share: float) -> tf.Tensor:
    height, width = (round(share * side) for side in image.shape[:2])
    room = tf.constant([image.shape[0] - height + 1, image.shape[1] - width + 1], tf.float32)
    corner = tf.cast(tf.floor(draws * room), tf.int32)
    return operations.crop(image, corner[0], corner[1], height, width)


def _coloured(image: tf.Tensor, draws: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    if augmentation.brightness:
        image = operations.brighten(image, augmentation.brightness * draws[0])
    if augmentation.contrast:
        image = operations.contrast(image, 1.0 + augmentation.contrast * draws[1])
    if augmentation.saturation:
        image = operations.color(image, 1.0 + augmentation.saturation * draws[2])
    return image


def _masked(image: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    height, width = image.shape[:2]
    top = tf.cast((MASK_TOP[0] + draw * (MASK_TOP[1] - MASK_TOP[0])) * height, tf.int32)
    return operations.erase(image, top, 0, height, width)


def _erased(image: tf.Tensor, seed: Any, draws: tf.Tensor) -> tf.Tensor:
    size = tf.constant([image.shape[0], image.shape[1]], tf.float32)
    low, high = (tf.math.log(aspect) for aspect in ERASED_ASPECT)
    area = (ERASED_AREA[0] + draws[0] * (ERASED_AREA[1] - ERASED_AREA[0])) * size[0] * size[1]
    aspect = tf.exp(low + draws[1] * (high - low))
    sides = tf.minimum(tf.round(tf.sqrt(tf.stack([area * aspect, area / aspect]))), size)
    corner = tf.cast(tf.floor(draws[2:4] * (size - sides + 1)), tf.int32)
    sides = tf.cast(sides, tf.int32)
    key = seed + tf.constant([NOISE, 0], tf.int64)
    noise = tf.random.stateless_uniform(image.shape, key, 0, 256, tf.int32, alg="philox")
    return operations.erase(image, corner[0], corner[1], sides[0], sides[1], noise)
