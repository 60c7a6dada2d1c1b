"""Exact top-k: brute force in float64, on every instruction set and number of threads, byte for byte."""

from __future__ import annotations

import itertools

import fr_native
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native._reference import cosines, top_k

DATA = (
    "random",
    "clustered",
    "duplicated",
    "near_ties",
    "last_bits",
    "norm_ratios",
    "float_range",
    "tiny",
    "orthogonal",
    "one_large",
    "low_rank",
)
# Around panels of 32 rows and around blocks of 96 queries.
GALLERY_SIZES = (1, 2, 31, 32, 33, 64, 96, 97, 129)
QUERY_COUNTS = (1, 2, 12, 95, 96, 97, 200)
THREADS = range(1, 9)
# Galleries from 4096 rows on are searched in parts.
IN_PARTS = 4129


def make_rows(kind: str, count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    rows = rng.standard_normal((count, dim)).astype(np.float32)
    if kind == "clustered":
        return (
            rows * np.float32(0.05)
            + rng.standard_normal((4, dim)).astype(np.float32)[rng.integers(0, 4, count)]
        )
    if kind == "duplicated":
        return rows[rng.integers(0, max(1, count // 5), count)]
    if kind == "near_ties":
        return rows[:1] + rows * np.float32(1e-6)
    if kind == "last_bits":  # of one row, many of them the same
        bits = np.where(rng.random((count, dim)) < 0.1, rng.integers(-1, 2, (count, dim)), 0)
        return (rows[:1].view(np.int32) + bits.astype(np.int32)).view(np.float32)
    if kind == "norm_ratios":
        return rows * np.float32(10.0) ** rng.integers(-15, 16, (count, 1)).astype(np.float32)
    if kind == "float_range":
        rows /= np.abs(rows).max(axis=1, keepdims=True)
        return rows * np.float32(10.0) ** rng.integers(-38, 39, (count, 1)).astype(np.float32)
    if kind == "tiny":
        return rows * np.float32(1e-36)
    if kind == "orthogonal":
        return np.eye(dim, dtype=np.float32)[np.arange(count) % dim]
    if kind == "one_large":  # so that int8 keeps little of the others
        rows *= np.float32(1e-3)
        rows[np.arange(count), rng.integers(0, dim, count)] = 1
    if kind == "low_rank":
        return rows[:, :2] @ rng.standard_normal((min(2, dim), dim)).astype(np.float32)
    return rows


def queries_among(gallery: np.ndarray, kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Half of them near rows of the gallery or equal to them, the others at an angle to all."""
    queries = make_rows(kind, count, gallery.shape[1], rng)
    queries[::4] = gallery[rng.integers(0, len(gallery), len(queries[::4]))]
    queries[1::4] = np.nextafter(gallery[rng.integers(0, len(gallery), len(queries[1::4]))], np.float32(0))
    return queries


@pytest.fixture(params=fr_native.available_isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FR_NATIVE_ISA", request.param)
    assert fr_native.isa() == request.param
    return str(request.param)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize(("count", "dim", "k"), [(1, 1, 1), (33, 7, 5), (200, 64, 10), (131, 129, 131)])
def test_search_equals_brute_force(isa: str, kind: str, count: int, dim: int, k: int) -> None:
    rng = np.random.default_rng([count, dim, len(kind)])
    gallery, queries = make_rows(kind, count, dim, rng), make_rows(kind, 37, dim, rng)
    expected_scores, expected_indices = top_k(cosines(queries, gallery), k)
    for threads in (1, 3):
        scores, indices = fr_native.Gallery(gallery, threads=threads).search(queries, k, threads=threads)
        np.testing.assert_array_equal(scores, expected_scores)
        np.testing.assert_array_equal(indices, expected_indices)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DATA), st.integers(1, 80), st.integers(1, 40), st.integers(1, 20), st.integers(0, 999))
def test_search_equals_brute_force_on_any_shape(kind: str, count: int, dim: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gallery, queries = make_rows(kind, count, dim, rng), make_rows(kind, 1 + seed % 20, dim, rng)
    k = min(k, count)
    scores, indices = fr_native.Gallery(gallery).search(queries, k)
    expected_scores, expected_indices = top_k(cosines(queries, gallery), k)
    np.testing.assert_array_equal(scores, expected_scores)
    np.testing.assert_array_equal(indices, expected_indices)


@pytest.mark.parametrize(("kind", "dim"), [*((kind, 24) for kind in DATA), ("random", 1), ("float_range", 1)])
def test_search_equals_brute_force_around_panels_and_blocks(
    kind: str, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng([dim, len(kind)])
    gallery = make_rows(kind, max(GALLERY_SIZES), dim, rng)
    queries = queries_among(gallery, kind, max(QUERY_COUNTS), rng)
    scores = cosines(queries, gallery)
    threads = itertools.cycle(THREADS)
    for size in GALLERY_SIZES:
        expected = top_k(scores[:, :size], size)
        for isa, count in itertools.product(fr_native.available_isas(), QUERY_COUNTS):
            monkeypatch.setenv("FR_NATIVE_ISA", isa)
            searched = fr_native.Gallery(gallery[:size], threads=next(threads))
            for k in {1, min(10, size), min(100, size), size}:
                found = searched.search(queries[:count], k, threads=next(threads))
                for got, wanted in zip(found, expected, strict=True):
                    assert got.tobytes() == wanted[:count, :k].tobytes(), (isa, size, count, k)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATA)
def test_search_in_parts_equals_brute_force(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(len(kind))
    gallery = make_rows(kind, IN_PARTS, 24, rng)
    queries = queries_among(gallery, kind, 97, rng)
    expected = top_k(cosines(queries, gallery), IN_PARTS)
    for isa in fr_native.available_isas():
        monkeypatch.setenv("FR_NATIVE_ISA", isa)
        searched = fr_native.Gallery(gallery)
        for k, (count, threads) in itertools.product((1, 10, 100, IN_PARTS), ((97, 1), (2, 3), (12, 8))):
            found = searched.search(queries[:count], k, threads=threads)
            for got, wanted in zip(found, expected, strict=True):
                assert got.tobytes() == wanted[:count, :k].tobytes(), (isa, count, k, threads)


def test_same_bytes_for_every_isa_and_thread_count(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    gallery, queries = make_rows("clustered", 700, 128, rng), make_rows("clustered", 300, 128, rng)
    results = set()
    for isa in fr_native.available_isas():
        monkeypatch.setenv("FR_NATIVE_ISA", isa)
        for threads in THREADS:
            scores, indices = fr_native.Gallery(gallery, threads=threads).search(queries, 20, threads=threads)
            results.add(scores.tobytes() + indices.tobytes())
    assert len(results) == 1


def test_norms_and_layout_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    gallery, queries = rng.standard_normal((50, 20)), rng.standard_normal((9, 20))
    expected = fr_native.Gallery(gallery.astype(np.float32)).search(queries.astype(np.float32), 4)
    for rows in (np.asfortranarray(gallery), np.repeat(gallery, 2, axis=0)[::2], gallery):
        scores, indices = fr_native.Gallery(rows).search(np.flip(np.flip(queries, 0).copy(), 0), 4)
        np.testing.assert_array_equal(scores, expected[0])
        np.testing.assert_array_equal(indices, expected[1])
    assert len(fr_native.Gallery(gallery)) == 50
    assert fr_native.Gallery(gallery).dim == 20


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.array([[1.0, 2], [np.nan, 1], [np.inf, 0]]), r"gallery: row 1 holds NaN or infinity"),
        (np.array([[1.0, 2], [1, 1], [0, 0]]), r"gallery: row 2 is all zeros"),
        (np.array([[1e300, 2]]), r"gallery: row 0 holds NaN or infinity"),
        (np.empty((0, 4)), r"expected a float array of shape \(N, D\).*got dtype float64 of shape \(0, 4\)"),
        (np.ones(4), r"of shape \(4\)"),
        (np.ones((2, 2), dtype=np.int64), r"got dtype int64"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_bad_gallery(rows: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fr_native.Gallery(rows)


def test_bad_search() -> None:
    gallery = fr_native.Gallery(np.eye(4, dtype=np.float32))
    query = np.ones((1, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="k is 5, expected 1 to 4, the size of the gallery"):
        gallery.search(query, 5)
    with pytest.raises(ValueError, match="k is 0"):
        gallery.search(query, 0)
    with pytest.raises(ValueError, match="queries have 3 dimensions and the gallery 4"):
        gallery.search(np.ones((1, 3), dtype=np.float32), 1)
    with pytest.raises(ValueError, match="threads is 0"):
        gallery.search(query, 1, threads=0)
    with pytest.raises(TypeError):
        gallery.search(np.array([["a"] * 4]), 1)


def test_unknown_isa_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.eye(3, dtype=np.float32)
    monkeypatch.setenv("FR_NATIVE_ISA", "mmx")
    with pytest.raises(ValueError, match="FR_NATIVE_ISA is 'mmx'; this CPU runs generic"):
        fr_native.Gallery(rows)
    monkeypatch.delenv("FR_NATIVE_ISA")
    monkeypatch.setenv("FR_NUM_THREADS", "two")
    with pytest.raises(ValueError, match="FR_NUM_THREADS is 'two'"):
        fr_native.Gallery(rows)
