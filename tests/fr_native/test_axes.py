"""Axes decide how long a search takes, never what it finds."""

from __future__ import annotations

import fr_native
import numpy as np
import pytest
from fr_native import _axes, _core
from fr_native._axes import principal_axes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native._reference import cosines, top_k
from tests.fr_native.test_all_pairs import plain
from tests.fr_native.test_gallery import DATA, make_rows

DIM = 96


def flat_rows(count: int, rank: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Rows near a subspace of few dimensions."""
    rows = rng.standard_normal((count, rank)) @ rng.standard_normal((rank, DIM))
    return (rows + noise * rng.standard_normal((count, DIM))).astype(np.float32)


def axes_of(rows: np.ndarray, count: int, skew: float, rng: np.random.Generator) -> np.ndarray:
    axes = np.linalg.svd(rows.astype(np.float64), full_matrices=True)[2][:count]
    return (axes + skew * rng.standard_normal(axes.shape)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*DATA, "flat"]),
    st.sampled_from(fr_native.available_isas()),
    st.sampled_from([16, 48, 96]),
    st.sampled_from([0.0, 1e-6, 1e-4]),
    st.integers(0, 999),
)
def test_search_with_any_axes_equals_brute_force(
    kind: str, isa: str, count: int, skew: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    make = (
        (lambda n: flat_rows(n, 12, 0.05, rng)) if kind == "flat" else lambda n: make_rows(kind, n, DIM, rng)
    )
    gallery, queries = make(130), make(40)
    axes = axes_of(make(200) / np.float32(gallery.max() or 1), count, skew, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FR_NATIVE_ISA", isa)
        found = _core.Gallery(gallery, axes).search(queries, 7)
    for got, wanted in zip(found, top_k(cosines(queries, gallery), 7), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_axes_of_flat_rows() -> None:
    rng = np.random.default_rng(0)
    rows = flat_rows(10_000, 20, 0.02, rng)
    axes = principal_axes(rows)
    assert axes is not None and axes.shape == (32, DIM) and axes.dtype == np.float32
    np.testing.assert_allclose(axes @ axes.T, np.eye(32), atol=1e-6)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert 1 - (np.linalg.norm(units @ axes.T, axis=1) ** 2).mean() < 0.01
    found = fr_native.Gallery(rows).search(rows[:50], 10)
    without = _core.Gallery(rows, None).search(rows[:50], 10)
    for got, wanted in zip(found, without, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_no_axes() -> None:
    rng = np.random.default_rng(0)
    assert principal_axes(rng.standard_normal((10_000, 64))) is None
    assert principal_axes(flat_rows(1_000, 4, 0.0, rng)) is None
    flat = flat_rows(10_000, 4, 0.0, rng)
    flat[:] = np.nan
    assert principal_axes(flat) is None
    assert principal_axes(np.ones((10_000, DIM), dtype=np.int64)) is None


@pytest.mark.parametrize("isa", fr_native.available_isas())
def test_all_pairs_with_axes(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FR_NATIVE_ISA", isa)
    monkeypatch.setattr(_axes, "_SMALLEST_SET", 0)
    rng = np.random.default_rng(2)
    rows, ids = flat_rows(400, 10, 0.05, rng), rng.integers(0, 60, 400)
    assert principal_axes(rows) is not None
    fars = (0.0, 1e-4, 1e-2, 0.3)
    monkeypatch.setattr("fr_native._pair_brackets._sample_size", lambda n_impostor: 5_000)
    found = fr_native.all_pairs(rows, ids, fars)
    assert isinstance(found, fr_native.AllPairs)
    columns = zip(found.thresholds, found.false_accepts, found.true_accepts, strict=True)
    assert [(float(t), int(f), int(g)) for t, f, g in columns] == plain(rows, ids, fars)
