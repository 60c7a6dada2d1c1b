"""Face alignment: known transforms are recovered, pixels land where they should."""

from __future__ import annotations

import numpy as np
import pytest
from fr_eval import InputError
from fr_eval.alignment import TEMPLATE_112, align_face, similarity_transform

from tests.fr_eval.faces import face


@pytest.mark.parametrize("angle", [-2.5, 0.0, 0.4, 3.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_a_similarity_is_recovered(angle: float, scale: float, rng: np.random.Generator) -> None:
    points = rng.uniform(0, 100, (5, 2))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = scale * points @ rotation.T + [3, -7]
    np.testing.assert_allclose(
        similarity_transform(points, moved), np.column_stack([scale * rotation, [3, -7]]), atol=1e-8
    )


def test_it_is_the_least_squares_fit(rng: np.random.Generator) -> None:
    """A linear least-squares solve over a, b, tx, ty gives the same transform."""
    points = TEMPLATE_112 + rng.normal(0, 4, (5, 2))
    x, y = points.T
    zero, one = np.zeros(5), np.ones(5)
    rows = np.vstack([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    a, b, tx, ty = np.linalg.lstsq(rows, TEMPLATE_112.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(
        similarity_transform(points, TEMPLATE_112), [[a, -b, tx], [b, a, ty]], atol=1e-8
    )


def test_mirrored_points_are_not_mirrored_back() -> None:
    mirrored = TEMPLATE_112 * [-1, 1]
    assert np.linalg.det(similarity_transform(mirrored, TEMPLATE_112)[:, :2]) > 0


def test_align_face() -> None:
    image = face(1, 1, 112)
    np.testing.assert_array_equal(align_face(image, TEMPLATE_112), image)
    shifted = np.zeros((150, 150, 3), np.uint8)
    shifted[20:132, 30:142] = image
    np.testing.assert_array_equal(align_face(shifted, TEMPLATE_112 + [30, 20]), image)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_bad_landmarks(points: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected five distinct finite points"):
        align_face(face(1, 1), points)
