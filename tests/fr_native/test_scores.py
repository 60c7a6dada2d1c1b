"""Sorting, counts and thresholds of scores against NumPy and plain loops."""

from __future__ import annotations

import threading

import fr_native
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native._reference import far_threshold

FARS = [0.0, 1e-6, 1e-3, 0.01, 0.1, 0.25, 0.29, 1 / 3, 0.5, 0.999, 1.0]


def counted(scores: np.ndarray) -> np.ndarray:
    """Scores in the type that they are counted in."""
    return scores.astype(np.float32 if scores.itemsize <= 4 else np.float64)


def make_scores(kind: str, count: int, rng: np.random.Generator, dtype: str) -> np.ndarray:
    scores = rng.normal(0, 0.2, count)
    if kind == "ties":
        scores = np.round(scores, 1)
    if kind == "constant":
        scores[:] = 0.25
    if kind == "zeros":
        scores = rng.choice([-0.0, 0.0, 1e-45, -1e-45], count)
    if kind == "wide":
        scores *= 10.0 ** rng.integers(-30, 30, count)
        scores = np.clip(scores, np.finfo(dtype).min, np.finfo(dtype).max)
    return scores.astype(dtype)


KINDS = ("normal", "ties", "constant", "zeros", "wide")
DTYPES = ("<f4", "<f8", "<f2", ">f4", ">f8", ">f2")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 1000, 70_001])
def test_sort(kind: str, dtype: str, count: int) -> None:
    scores = make_scores(kind, count, np.random.default_rng(count), dtype)
    for threads in (1, 2, 3):
        ascending = fr_native.sort_scores(scores, threads=threads)
        np.testing.assert_array_equal(ascending, np.sort(counted(scores)), strict=True)


def test_sort_keeps_infinities_and_strided_input() -> None:
    scores = np.array([np.inf, 1, -np.inf, -1, 0, 7], dtype=np.float32)
    np.testing.assert_array_equal(fr_native.sort_scores(scores[::2]), np.sort(scores[::2]))
    assert fr_native.sort_scores(np.empty(0, dtype=np.float32)).size == 0


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(KINDS), st.sampled_from(DTYPES), st.integers(1, 300), st.integers(0, 999))
def test_thresholds_equal_plain_loop(kind: str, dtype: str, count: int, seed: int) -> None:
    impostor = make_scores(kind, count, np.random.default_rng(seed), dtype)
    thresholds = fr_native.far_thresholds(impostor, FARS)
    assert thresholds.dtype == counted(impostor).dtype
    assert thresholds.tolist() == [far_threshold(counted(impostor), far) for far in FARS]


def test_threshold_never_exceeds_the_target() -> None:
    impostor = make_scores("ties", 400_000, np.random.default_rng(2), "<f4")
    for far, threshold in zip(FARS, fr_native.far_thresholds(impostor, FARS), strict=True):
        assert (impostor >= threshold).mean() <= far


def test_histogram_of_shards_in_any_order() -> None:
    impostor = make_scores("normal", 200_000, np.random.default_rng(3), "<f4")
    shards = np.split(impostor, [10, 60_000, 60_001, 150_000])

    def shard_histogram(shard: np.ndarray) -> fr_native.ScoreHistogram:
        histogram = fr_native.ScoreHistogram()
        histogram.update(shard)
        return histogram

    coarse = shard_histogram(shards[3])
    for position in (0, 4, 1, 2):
        coarse.merge(shard_histogram(shards[position]))
    assert len(coarse) == impostor.size and not coarse.refined
    parts = [coarse.refine(FARS) for _ in shards]
    for part, shard in zip(parts, shards[::-1], strict=True):
        part.update(shard, threads=3)
    for part in parts[1:]:
        parts[0].merge(part)
    np.testing.assert_array_equal(parts[0].far_thresholds(FARS), fr_native.far_thresholds(impostor, FARS))


def test_threads_update_one_histogram() -> None:
    scores = make_scores("normal", 400_000, np.random.default_rng(9), np.float32)
    coarse = fr_native.ScoreHistogram()
    for stage in ("coarse", "refined"):
        histogram = coarse if stage == "coarse" else coarse.refine(FARS)
        updates = [threading.Thread(target=histogram.update, args=(part,)) for part in np.split(scores, 80)]
        for update in updates:
            update.start()
        for update in updates:
            update.join()
    assert len(coarse) == scores.size
    np.testing.assert_array_equal(histogram.far_thresholds(FARS), fr_native.far_thresholds(scores, FARS))


def test_histogram_out_of_order() -> None:
    histogram = fr_native.ScoreHistogram()
    with pytest.raises(ValueError, match="no impostor scores"):
        histogram.refine([0.1])
    histogram.update(np.array([0.1, 0.2, 0.3], dtype=np.float32))
    with pytest.raises(RuntimeError, match="call refine"):
        histogram.far_thresholds([0.1])
    refined = histogram.refine([0.4])
    with pytest.raises(RuntimeError, match="has not seen exactly the scores of the first"):
        refined.far_thresholds([0.4])
    with pytest.raises(ValueError, match="cannot merge a refined histogram"):
        histogram.merge(refined)
    refined.update(np.array([0.1, 0.2, 0.3], dtype=np.float32))
    assert refined.far_thresholds([0.4]).tolist() == [np.float32(0.3)]
    with pytest.raises(RuntimeError, match="was not among those"):
        refined.far_thresholds([1.0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_score_counts(dtype: str) -> None:
    rng = np.random.default_rng(4)
    genuine, impostor = make_scores("ties", 5000, rng, dtype), make_scores("ties", 600_000, rng, dtype)
    thresholds = np.array([0.1, -0.1, 0.3, float(np.dtype(dtype).type(0.1)), 9, -9, 0.1, -np.inf, np.inf])
    accepted, false_accepts = fr_native.score_counts(genuine, impostor, thresholds)
    assert accepted.tolist() == [int((genuine.astype(float) >= t).sum()) for t in thresholds]
    assert false_accepts.tolist() == [int((impostor.astype(float) >= t).sum()) for t in thresholds]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(DTYPES),
    st.integers(0, 300),
    st.lists(st.floats(-1, 1) | st.sampled_from([-np.inf, 0.0, -0.0, 0.1, 0.25, np.inf]), max_size=8),
    st.integers(0, 999),
)
def test_counts_equal_plain_loop(kind: str, dtype: str, count: int, levels: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    genuine, impostor = make_scores(kind, count, rng, dtype), make_scores(kind, 2 * count, rng, dtype)
    thresholds = np.concatenate([levels, genuine[:5].astype(float)])
    accepted, false_accepts = fr_native.score_counts(genuine, impostor, thresholds)
    assert accepted.tolist() == [sum(float(score) >= t for score in genuine) for t in thresholds]
    assert false_accepts.tolist() == [sum(float(score) >= t for score in impostor) for t in thresholds]
    ascending = fr_native.sort_scores(impostor[::-1])
    np.testing.assert_array_equal(ascending, np.sort(counted(impostor)), strict=True)


def test_tpir_equals_plain_loop() -> None:
    rng = np.random.default_rng(5)
    scores = rng.uniform(-1, 1, 500)
    ranks = rng.integers(0, 12, 500)
    thresholds = [-1.0, 0.0, float(scores[3]), 0.9]
    rates = fr_native.tpir(scores, ranks, thresholds, [1, 5, 10])
    expected = [
        [
            sum(1 <= r <= limit and s >= t for s, r in zip(scores, ranks, strict=True)) / 500
            for t in thresholds
        ]
        for limit in (1, 5, 10)
    ]
    assert rates.tolist() == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_is_named(dtype: str) -> None:
    scores = np.zeros(200_000, dtype=dtype)
    scores[[70_000, 150_000]] = np.nan
    for call in (
        lambda: fr_native.sort_scores(scores),
        lambda: fr_native.far_thresholds(scores, [0.1]),
        lambda: fr_native.score_counts(scores, scores, [0.0]),
    ):
        with pytest.raises(ValueError, match="score 70000 is NaN"):
            call()


def test_bad_input() -> None:
    scores = np.zeros(4, dtype=np.float32)
    for far in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="expected a number from 0 to 1"):
            fr_native.far_thresholds(scores, [far])
    with pytest.raises(ValueError, match="no impostor scores"):
        fr_native.far_thresholds(scores[:0], [0.1])
    with pytest.raises(ValueError, match=r"\+inf: no threshold rejects it"):
        fr_native.far_thresholds(np.array([0, np.inf], dtype=np.float32), [0.1])
    with pytest.raises(ValueError, match=r"\+inf: no threshold rejects it"):
        fr_native.far_thresholds(np.array([0, np.inf]), [0.1])
    with pytest.raises(ValueError, match="threshold 1 is NaN"):
        fr_native.score_counts(scores, scores, [0.0, np.nan])
    with pytest.raises(ValueError, match="expected a one-dimensional array of float scores"):
        fr_native.sort_scores(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="mate_scores has 4 entries and mate_ranks 3"):
        fr_native.tpir(scores, np.ones(3, dtype=int), [0.0], [1])
    with pytest.raises(ValueError, match="rank 0, expected 1 or more"):
        fr_native.tpir(scores, np.ones(4, dtype=int), [0.0], [0])
