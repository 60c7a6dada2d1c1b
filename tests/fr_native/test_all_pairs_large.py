"""All pairs of sets of a real size against float64 matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import fr_native
import numpy as np
import pytest

from tests.fr_native._reference import unit_rows

BLOCK = 500
FARS = np.array([1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 0.0])


def faces(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    ids = rng.integers(0, count // 8, count)
    centres = rng.standard_normal((count // 8, 512), dtype=np.float32)
    return centres[ids] + np.float32(1.5) * rng.standard_normal((count, 512), dtype=np.float32), ids


def score_blocks(rows: np.ndarray, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores of each pair once, and which are of one subject."""
    units = unit_rows(rows).astype(np.float64)
    for begin in range(0, len(rows), BLOCK):
        scores = (units[begin : begin + BLOCK] @ units[begin:].T).astype(np.float32)
        later = np.arange(scores.shape[1]) > np.arange(scores.shape[0])[:, None]
        same = ids[begin : begin + BLOCK, None] == ids[None, begin:]
        yield scores[later], same[later]


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_equals_matrix_products(count: int) -> None:
    rows, ids = faces(count)
    found = fr_native.all_pairs(rows, ids, FARS)
    assert isinstance(found, fr_native.AllPairs)
    top, true_accepts, false_accepts, genuine, impostor = [], 0, 0, 0, 0
    for scores, same in score_blocks(rows, ids):
        genuine, impostor = genuine + same.sum(), impostor + (~same).sum()
        reach = scores[:, None] >= found.thresholds
        true_accepts = true_accepts + (reach & same[:, None]).sum(axis=0)
        false_accepts = false_accepts + (reach & ~same[:, None]).sum(axis=0)
        top.append(scores[~same & (scores > found.thresholds[0] - np.float32(0.01))])
    assert (found.n_genuine[0], found.n_impostor[0]) == (genuine, impostor)
    np.testing.assert_array_equal(found.true_accepts, true_accepts)
    np.testing.assert_array_equal(found.false_accepts, false_accepts)
    falling = np.sort(np.concatenate(top))[::-1]
    for far, threshold, accepted in zip(FARS, found.thresholds, found.false_accepts, strict=True):
        allowed = int(np.floor(far * impostor + 1e-9))
        assert falling[allowed] < threshold or np.isclose(falling[allowed], threshold, rtol=0, atol=2e-7)
        assert accepted <= allowed and (
            accepted == 0 or np.isclose(falling[accepted - 1], threshold, atol=2e-7)
        )
