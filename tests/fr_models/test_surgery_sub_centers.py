"""Sub-centers: which of a class is dominant."""

from typing import Any

import numpy as np
import pytest
from fr_models.surgery import reduce_sub_centers, sub_center_counts


def _problem(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights = rng.normal(size=(5 * 3, 4)).astype("float32") * rng.uniform(0.1, 9.0, (15, 1)).astype("float32")
    return weights, rng.normal(size=(3000, 4)).astype("float32"), rng.integers(0, 4, 3000)


def test_counts_by_cosine(rng: np.random.Generator) -> None:
    weights, embeddings, labels = _problem(rng)
    expected = np.zeros((5, 3), int)
    for embedding, label in zip(embeddings.astype(float), labels, strict=True):
        cosines = []
        for center in weights[3 * label : 3 * label + 3].astype(float):
            cosines.append(embedding @ center / np.linalg.norm(center))
        expected[label, int(np.argmax(cosines))] += 1
    counts = sub_center_counts(weights, 3, embeddings, labels)
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(sub_center_counts(weights.T, 3, embeddings, labels, axis=1), expected)
    assert counts[4].sum() == 0  # a class without samples


def test_keeps_the_dominant_center(rng: np.random.Generator) -> None:
    weights, embeddings, labels = _problem(rng)
    counts = sub_center_counts(weights, 3, embeddings, labels)
    reduced = reduce_sub_centers(weights, 3, counts)
    assert reduced.shape == (5, 4) and reduced.dtype == np.float32
    for label in range(5):
        np.testing.assert_array_equal(reduced[label], weights[3 * label + int(np.argmax(counts[label]))])
    np.testing.assert_array_equal(reduce_sub_centers(weights.T, 3, counts, axis=1), reduced.T)


def test_one_center_a_class_is_kept() -> None:
    np.testing.assert_array_equal(reduce_sub_centers(np.eye(3), 1, np.zeros((3, 1))), np.eye(3))


@pytest.mark.parametrize(
    ("shape", "sub_centers", "counts", "axis", "message"),
    [
        (
            (7, 2),
            3,
            [],
            0,
            r"^weights: expected a matrix whose axis 0 is a multiple of 3 sub-.* got \[7, 2\]$",
        ),
        (
            (7, 2),
            3,
            [],
            1,
            r"^weights: expected a matrix whose axis 1 is a multiple of 3 sub-.* got \[7, 2\]$",
        ),
        ((6,), 3, [], 0, r"^weights: expected a matrix .* got \[6\]$"),
        ((6, 2), 0, [], 0, r"^weights: expected a matrix .* multiple of 0 sub-centers, got"),
        ((6, 2), 1.5, [], 0, r"^weights: expected a matrix .* multiple of 1.5 sub-centers, got"),
        ((6, 2), 3, [[1, 2]], 0, r"^counts: expected \[2, 3\], got \[1, 2\]$"),
        ((6, 2), 3, [], 2, r"^axis: expected 0 or 1, got 2$"),
    ],
)
def test_refuses_matrices(
    shape: tuple[int, ...], sub_centers: Any, counts: list[Any], axis: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        reduce_sub_centers(np.ones(shape), sub_centers, counts, axis)


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        ((4, 3), [0] * 4, r"^embeddings, labels: expected \[N, 2\] and \[N\], got \[4, 3\] and \[4\]$"),
        ((4, 2), [0] * 3, r"^embeddings, labels: expected \[N, 2\] and \[N\], got \[4, 2\] and \[3\]$"),
        ((2, 2), [0, 2], r"^labels: expected 0 to 1, got 2$"),
        ((1, 2), [0.5], r"^labels: expected integers, got float64$"),
    ],
)
def test_refuses_samples(embeddings: tuple[int, int], labels: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sub_center_counts(np.ones((6, 2)), 3, np.ones(embeddings), labels)
