"""Operations on an image, uint8 ``[H, W, 3]`` to the same, without chance: each is told what to do.

Those that Pillow has give Pillow's pixels, to a level of rounding.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

FILL = 128
SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))  # Pillow's ImageFilter.SMOOTH, divided by 13


def brighten(image: tf.Tensor, shift: Any) -> tf.Tensor:
    """Add a share of 255."""
    return _levels(tf.cast(image, tf.float32) + 255.0 * shift)


def grey(image: tf.Tensor) -> tf.Tensor:
    """Take the colour away: ITU-R 601-2 luma in 16 bits, as Pillow's mode ``L``."""
    red, green, blue = tf.unstack(tf.cast(image, tf.int32), axis=2)
    luma = tf.bitwise.right_shift(red * 19595 + green * 38470 + blue * 7471 + 0x8000, 16)
    return tf.cast(tf.stack([luma] * 3, axis=2), tf.uint8)


def color(image: tf.Tensor, factor: Any) -> tf.Tensor:
    """Multiply differences from each pixel's grey: 0 is grey, 1 the image."""
    return _blend(grey(image), image, factor)


def contrast(image: tf.Tensor, factor: Any) -> tf.Tensor:
    """Multiply differences from the mean grey of the image."""
    mean = tf.reduce_mean(tf.cast(grey(image)[:, :, 0], tf.float32))
    return _blend(tf.floor(mean + 0.5), image, factor)


def brightness(image: tf.Tensor, factor: Any) -> tf.Tensor:
    """Multiply all pixels."""
    return _blend(0.0, image, factor)


def sharpness(image: tf.Tensor, factor: Any) -> tf.Tensor:
    """Multiply differences from a smoothed image; the border stays."""
    kernel = tf.tile(tf.constant(SMOOTH, tf.float32)[:, :, None, None] / 13.0, [1, 1, 3, 1])
    pixels = tf.cast(image, tf.float32)
    inner = tf.nn.depthwise_conv2d(pixels[None], kernel, [1, 1, 1, 1], "VALID")[0]
    padding = [[1, 1], [1, 1], [0, 0]]
    is_inner = tf.pad(tf.ones_like(inner, tf.bool), padding)
    smoothed = tf.where(is_inner, tf.pad(tf.floor(inner + 0.5), padding), pixels)
    return _blend(smoothed, image, factor)


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretch each channel to 0..255; a constant one stays."""
    pixels = tf.cast(image, tf.float32)
    low, high = tf.reduce_min(pixels, axis=(0, 1)), tf.reduce_max(pixels, axis=(0, 1))
    stretched = tf.floor((pixels - low) * (255.0 / tf.maximum(high - low, 1.0)) + 1e-3)
    return _levels(tf.where(high > low, stretched, pixels))


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Give each channel a flat histogram."""
    return tf.stack([_equalized(image[:, :, channel]) for channel in range(3)], axis=2)


def posterize(image: tf.Tensor, bits: Any) -> tf.Tensor:
    """Keep the upper bits."""
    drop = tf.cast(8 - tf.cast(bits, tf.int32), tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, drop), drop)


def solarize(image: tf.Tensor, threshold: Any) -> tf.Tensor:
    """Invert pixels from a threshold on."""
    return tf.where(tf.cast(image, tf.float32) < threshold, image, 255 - image)


def affine(image: tf.Tensor, inverse: Any) -> tf.Tensor:
    """Look up each pixel ``(x, y)`` at ``(a x + b y + c, d x + e y + f)``; bilinear, grey outside.

    Coordinates are from the middle of the image; ``inverse`` is ``(a, b, c, d, e, f)``.
    """
    a, b, c, d, e, f = inverse
    size = tf.cast(tf.shape(image)[:2] - 1, tf.float32) / 2
    y, x = size[0], size[1]
    transform = tf.stack([a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y, 0.0, 0.0])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(image, tf.float32)[None],
        transforms=tf.cast(transform, tf.float32)[None],
        output_shape=tf.shape(image)[:2],
        fill_value=float(FILL),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return _levels(moved[0])


def crop(image: tf.Tensor, top: Any, left: Any, height: int, width: int) -> tf.Tensor:
    """Cut a part out and resize it to the whole image."""
    part = tf.slice(image, [top, left, 0], [height, width, 3])
    return _levels(tf.image.resize(part, tf.shape(image)[:2]))


def erase(image: tf.Tensor, top: Any, left: Any, height: Any, width: Any, filling: Any = FILL) -> tf.Tensor:
    """Replace a rectangle; what of it lies outside is no matter."""
    rows, columns = tf.range(tf.shape(image)[0]), tf.range(tf.shape(image)[1])
    in_rows = (rows >= top) & (rows < top + height)
    in_columns = (columns >= left) & (columns < left + width)
    inside = (in_rows[:, None] & in_columns[None, :])[:, :, None]
    return tf.where(inside, tf.cast(filling, tf.uint8), image)


def _equalized(channel: tf.Tensor) -> tf.Tensor:
    histogram = tf.math.bincount(tf.cast(channel, tf.int32), minlength=256, maxlength=256)
    last = histogram[tf.reduce_max(tf.where(histogram > 0)[:, 0])]
    step = (tf.reduce_sum(histogram) - last) // 255
    table = (tf.cumsum(histogram, exclusive=True) + step // 2) // tf.maximum(step, 1)
    equal = tf.gather(tf.minimum(table, 255), tf.cast(channel, tf.int32))
    return tf.where(step > 0, tf.cast(equal, tf.uint8), channel)


def _blend(start: Any, image: tf.Tensor, factor: Any) -> tf.Tensor:
    start = tf.cast(start, tf.float32)
    return _levels(start + factor * (tf.cast(image, tf.float32) - start))


def _levels(pixels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
