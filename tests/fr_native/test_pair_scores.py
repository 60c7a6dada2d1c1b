"""Scores of listed pairs against the full matrix in float64."""

from __future__ import annotations

from pathlib import Path

import fr_native
import numpy as np
import pytest

from tests.fr_native._reference import cosines
from tests.fr_native.test_gallery import DATA, make_rows


@pytest.mark.parametrize("isa", fr_native.available_isas())
@pytest.mark.parametrize("dim", [1, 15, 16, 17, 192])
def test_pair_scores_equal_matrix(isa: str, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FR_NATIVE_ISA", isa)
    rng = np.random.default_rng(dim)
    rows = rng.standard_normal((60, dim)).astype(np.float32)
    i, j = rng.integers(0, 60, (2, 40_000))
    for threads in (1, 3):
        scores = fr_native.pair_scores(rows, i, j, threads=threads)
        np.testing.assert_array_equal(scores, cosines(rows, rows)[i, j])


@pytest.mark.parametrize("kind", DATA)
def test_pairs_in_any_order(kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    rows = make_rows(kind, 600, 24, rng)
    expected = cosines(rows, rows)
    every = np.arange(600)
    one = np.full(600, 299)
    shuffled = rng.permutation(np.repeat(every, 3))
    for i, j in ((every, every), (one, every), (every, one), (one, one), (shuffled, shuffled[::-1])):
        scores = fr_native.pair_scores(rows, i, j, threads=2)
        assert scores.tobytes() == expected[i, j].tobytes()


def test_no_pairs() -> None:
    none = np.empty(0, dtype=np.int64)
    scores = fr_native.pair_scores(np.eye(3, dtype=np.float32), none, none)
    assert scores.dtype == np.float32 and scores.shape == (0,)


def test_rows_in_a_memory_map(tmp_path: Path) -> None:
    rows = make_rows("random", 40, 24, np.random.default_rng(0))
    np.save(tmp_path / "rows.npy", rows)
    i, j = np.triu_indices(40)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(fr_native.pair_scores(mapped, i, j), cosines(rows, rows)[i, j])


def test_bad_pairs() -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(IndexError, match="second row of pair 1 is 3, expected a row from 0 to 2"):
        fr_native.pair_scores(rows, np.array([0, 1]), np.array([2, 3]))
    with pytest.raises(IndexError, match="first row of pair 0 is -1"):
        fr_native.pair_scores(rows, np.array([-1]), np.array([0]))
    with pytest.raises(ValueError, match="i has 1 entries and j 2"):
        fr_native.pair_scores(rows, np.array([0]), np.array([0, 1]))
    rows[1] = np.nan
    with pytest.raises(ValueError, match="embeddings: row 1 holds NaN or infinity"):
        fr_native.pair_scores(rows, np.array([0]), np.array([2]))
