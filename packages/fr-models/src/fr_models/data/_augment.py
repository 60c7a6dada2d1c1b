"""Augmentation in TensorFlow: an augmented image is a pure function of the image and a seed."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_models.data.augmentation import Augmentation


def augmented(image: Any, seed: Any, augmentation: Augmentation) -> tf.Tensor:
    """Augment an image.

    Parameters
    ----------
    image : uint8 ``[H, W, 3]``
    seed : int64 ``[2]``
        Equal seeds give equal images.
    augmentation : Augmentation

    Returns
    -------
    uint8 ``[H, W, 3]``
    """
    return image
