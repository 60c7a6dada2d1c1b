"""Face alignment from five landmarks to the 112 x 112 crop that face networks are trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError

__all__ = ["TEMPLATE_112", "align_face", "similarity_transform"]

TEMPLATE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares rotation, scale and translation from one point set to another.

    Parameters
    ----------
    source, target : array of float, shape (N, 2)

    Returns
    -------
    ndarray of float64, shape (2, 3)
        For ``[x, y, 1]``.

    References
    ----------
    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE
    PAMI 13 (1991), equations 39-43.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_centred, target_centred = source - source_mean, target - target_mean
    variance = (source_centred**2).sum() / len(source)
    if not np.isfinite(variance) or variance == 0:
        raise InputError("landmarks: expected five distinct finite points")
    left, singular, right = np.linalg.svd(target_centred.T @ source_centred / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left @ np.diag(sign) @ right
    scale = (singular * sign).sum() / variance
    translation = target_mean - scale * rotation @ source_mean
    return np.column_stack([scale * rotation, translation])


def align_face(image: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Warp an image so that its landmarks fall on the template; bilinear, black border.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    landmarks : array of float, shape (5, 2)
        x and y of the eye, eye, nose tip, mouth corner, mouth corner, image-left first.

    Returns
    -------
    ndarray of uint8, shape (112, 112, 3)
    """
    import cv2

    transform = similarity_transform(np.asarray(landmarks, dtype=np.float64), TEMPLATE_112)
    return np.asarray(cv2.warpAffine(image, transform, (112, 112), borderValue=(0, 0, 0)), dtype=np.uint8)
