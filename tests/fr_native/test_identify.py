"""Open-set identification against a plain loop over the score matrix."""

from __future__ import annotations

import itertools

import fr_native
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_native._reference import cosines, top_k
from tests.fr_native.test_gallery import DATA, IN_PARTS, THREADS, make_rows, queries_among


def plain_identify(
    scores: np.ndarray,
    probe_ids: np.ndarray,
    gallery_ids: np.ndarray,
    elsewhere: np.ndarray,
    per_template: bool,
) -> list[tuple[float, int, int, float, int]]:
    rows = []
    for p, subject in enumerate(probe_ids):
        mates = [scores[p, g] for g in range(len(gallery_ids)) if gallery_ids[g] == subject]
        mate = max(mates, default=-np.inf)
        reference = mate if mates else elsewhere[p]
        rivals: dict[int, float] = {}
        best, best_index = -np.inf, -1
        for g, rival in enumerate(gallery_ids):
            if rival == subject:
                continue
            key = g if per_template else int(rival)
            rivals[key] = max(rivals.get(key, -np.inf), scores[p, g])
            if scores[p, g] > best:
                best, best_index = scores[p, g], g
        counted = rivals.values() if reference > -np.inf else []
        above = sum(score > reference for score in counted)
        tied = sum(score == reference for score in counted)
        rows.append((mate, above, tied, best, best_index))
    return rows


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DATA),
    st.integers(1, 60),
    st.integers(1, 25),
    st.booleans(),
    st.booleans(),
    st.integers(0, 999),
)
def test_identify_equals_plain_loop(
    kind: str, gallery_size: int, subjects: int, per_template: bool, elsewhere: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gallery, probes = make_rows(kind, gallery_size, 24, rng), make_rows(kind, 15, 24, rng)
    gallery_ids, probe_ids = rng.integers(-3, subjects, gallery_size), rng.integers(-3, subjects + 3, 15)
    outside = (
        rng.uniform(-0.5, 1, 15).astype(np.float32) if elsewhere else np.full(15, -np.inf, dtype=np.float32)
    )
    found = fr_native.identify(
        probes,
        gallery,
        probe_ids,
        gallery_ids,
        min(4, gallery_size),
        per_template=per_template,
        mate_elsewhere=outside if elsewhere else None,
    )
    scores = cosines(probes, gallery)
    expected = plain_identify(scores, probe_ids, gallery_ids, outside, per_template)
    assert list(zip(*found[:5], strict=True)) == expected
    for got, wanted in zip((found.scores, found.indices), top_k(scores, min(4, gallery_size)), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("per_template", [False, True])
def test_identify_equals_plain_loop_around_panels_and_blocks(
    kind: str, per_template: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(len(kind))
    threads = itertools.cycle(THREADS)
    for count, size in ((1, 31), (2, 32), (12, 33), (95, 97), (96, 1), (97, 96), (200, 65)):
        gallery = make_rows(kind, size, 24, rng)
        probes = queries_among(gallery, kind, count, rng)
        gallery_ids, probe_ids = rng.integers(0, 30, size), rng.integers(0, 35, count)
        scores = cosines(probes, gallery)
        nowhere = np.full(count, -np.inf)
        expected = plain_identify(scores, probe_ids, gallery_ids, nowhere, per_template)
        for isa, k in itertools.product(fr_native.available_isas(), {0, 1, min(10, size), size}):
            monkeypatch.setenv("FR_NATIVE_ISA", isa)
            found = fr_native.identify(
                *(probes, gallery, probe_ids, gallery_ids, k),
                per_template=per_template,
                threads=next(threads),
            )
            assert list(zip(*found[:5], strict=True)) == expected, (isa, count, size, k)
            for got, wanted in zip(found[5:], top_k(scores, k), strict=True):
                assert got.tobytes() == wanted.tobytes(), (isa, count, size, k)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duplicated", "near_ties", "last_bits", "one_large"])
def test_identify_many_near_ties(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(len(kind))
    gallery = make_rows(kind, IN_PARTS, 24, rng)
    probes = queries_among(gallery, kind, 40, rng)
    gallery_ids, probe_ids = rng.integers(0, 900, IN_PARTS), rng.integers(0, 1000, 40)
    scores = cosines(probes, gallery)
    expected = plain_identify(scores, probe_ids, gallery_ids, np.full(40, -np.inf), False)
    for isa, k in itertools.product(fr_native.available_isas(), (1, 100)):
        monkeypatch.setenv("FR_NATIVE_ISA", isa)
        found = fr_native.identify(probes, gallery, probe_ids, gallery_ids, k)
        assert list(zip(*found[:5], strict=True)) == expected
        for got, wanted in zip(found[5:], top_k(scores, k), strict=True):
            assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("isa", fr_native.available_isas())
def test_same_bytes_for_every_isa_and_thread_count(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    gallery, probes = make_rows("clustered", 300, 96, rng), make_rows("clustered", 250, 96, rng)
    ids = rng.integers(0, 90, 300), rng.integers(0, 120, 250)
    expected = fr_native.identify(probes, gallery, ids[1], ids[0], 7, threads=1)
    monkeypatch.setenv("FR_NATIVE_ISA", isa)
    for threads in THREADS:
        found = fr_native.identify(probes, gallery, ids[1], ids[0], 7, threads=threads)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]


def test_bad_input() -> None:
    rows = np.eye(4, dtype=np.float32)
    ids = np.arange(4)
    with pytest.raises(ValueError, match="probe_ids has 3 entries for 4 rows"):
        fr_native.identify(rows, rows, ids[:3], ids)
    with pytest.raises(ValueError, match="gallery_ids has 5 entries for 4 rows"):
        fr_native.identify(rows, rows, ids, np.arange(5))
    with pytest.raises(ValueError, match="k is 5, expected 0 to 4"):
        fr_native.identify(rows, rows, ids, ids, 5)
    with pytest.raises(ValueError, match="probe_ids: expected a one-dimensional array of integers"):
        fr_native.identify(rows, rows, ids.astype(float), ids)
    with pytest.raises(ValueError, match="probes have 3 dimensions and the gallery 4"):
        fr_native.identify(rows[:, :3], rows, ids, ids)
    with pytest.raises(ValueError, match="mate_elsewhere 2 is NaN"):
        fr_native.identify(rows, rows, ids, ids, mate_elsewhere=np.array([1, 2, np.nan, 1], dtype=np.float32))
    bad = rows.copy()
    bad[2] = 0
    with pytest.raises(ValueError, match="gallery: row 2 is all zeros"):
        fr_native.identify(rows, bad, ids, ids[::-1])
