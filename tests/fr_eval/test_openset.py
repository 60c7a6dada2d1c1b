"""Identification over several galleries: native search beside a plain matrix, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from fr_eval import InputError, evaluate_identification, search_galleries, search_similarity
from fr_eval.openset import GallerySearch
from hypothesis import given, settings
from hypothesis import strategies as st


def cosine(probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    unit = [(x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float64) for x in (probes, gallery)]
    return (unit[0] @ unit[1].T).astype(np.float32)


def integers(rng: np.random.Generator, count: int) -> np.ndarray:
    """Rows whose cosines are exact in any order of summation: ties are real ties."""
    return (np.eye(8)[rng.integers(0, 8, count)] * rng.choice([-1, 1], (count, 1))).astype(np.float32)


def same(found: GallerySearch, expected: GallerySearch) -> None:
    for name in ("mated", "mate_score", "above", "tied", "non_mate_score", "subjects", "n_gallery"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.booleans(), st.integers(0, 999))
def test_native_search_equals_matrix(size: int, subjects: int, per_template: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gallery, probes = integers(rng, size), integers(rng, 20)
    gallery_ids, probe_ids = rng.integers(0, subjects, size), rng.integers(0, subjects + 2, 20)
    found = search_galleries(probes, probe_ids, {"G": (gallery, gallery_ids)}, per_template=per_template)
    expected = search_similarity(cosine(probes, gallery), probe_ids, gallery_ids, per_template=per_template)
    same(found["G"], expected)


def test_pooled_ranks_are_those_of_the_union(rng: np.random.Generator) -> None:
    gallery, gallery_ids = integers(rng, 40), rng.permutation(40) // 2
    probes, probe_ids = integers(rng, 60), rng.integers(0, 25, 60)
    first = gallery_ids % 2 == 0
    parts = {"A": (gallery[first], gallery_ids[first]), "B": (gallery[~first], gallery_ids[~first])}
    result = evaluate_identification(search_galleries(probes, probe_ids, parts), ranks=[1, 2, 5])
    union = search_similarity(cosine(probes, gallery), probe_ids, gallery_ids)
    ranks = union.mate_rank()
    assert {r: rate.count for r, rate in result.pooled_rank.items()} == {
        r: int((ranks <= r).sum()) for r in (1, 2, 5)
    }
    assert result.pooled_cmc is not None
    assert result.pooled_cmc.rate[1] == result.pooled_rank[2].value
    assert result.mean_rank(1) == np.mean([g.rank[1].value for g in result.galleries.values()])
    total = result.pooled_tpir(0)
    assert total.total == int(union.mated.sum())
    assert result.to_frame().shape[0] == 6


def test_a_subject_in_two_galleries_has_no_pooled_rank(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((4, 8)).astype(np.float32)
    parts = {"A": (rows[:2], [0, 1]), "B": (rows[2:], [1, 2])}
    result = evaluate_identification(search_galleries(rows, [0, 1, 2, 3], parts), ranks=[1])
    assert result.pooled_cmc is None and result.to_json()["cmc_pooled"] == {}


def test_dir_curve_and_fnir(rng: np.random.Generator) -> None:
    similarity = rng.uniform(-1, 1, (300, 40))
    probe_ids = rng.integers(0, 60, 300)
    search = search_similarity(similarity, probe_ids, np.arange(40))
    result = evaluate_identification({"G": search}, [0.1], [1])
    gallery = result.galleries["G"]
    (point,) = gallery.tpir_at_fpir
    assert point.tpir + point.fnir == 1
    where = np.flatnonzero(gallery.dir_curve.threshold == point.threshold)
    assert (
        gallery.dir_curve.tpir[where] == point.tpir and gallery.dir_curve.fpir[where] == point.fpir_achieved
    )
    assert result.plot().get_xscale() == "log"


def test_bad_input(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((4, 8)).astype(np.float32)
    ids = np.arange(4)
    with pytest.raises(InputError, match="probe ids: expected 4 entries, got 3"):
        search_galleries(rows, ids[:3], {"G": (rows, ids)})
    with pytest.raises(InputError, match="gallery G: ids: expected 4 entries, got 5"):
        search_galleries(rows, ids, {"G": (rows, np.arange(5))})
    with pytest.raises(InputError, match="gallery H: 7 dimensions, but the probes have 8"):
        search_galleries(rows, ids, {"H": (rows[:, :7], ids)})
    with pytest.raises(InputError, match="galleries: expected at least one"):
        search_galleries(rows, ids, {})
    with pytest.raises(InputError, match="galleries: expected at least one"):
        evaluate_identification({})
    bad = rows.copy()
    bad[1, 3] = np.nan
    for parts in ({"G": (bad, ids)}, {"G": (rows[:2], ids[:2]), "H": (bad[:2], ids[2:])}):
        with pytest.raises(InputError, match=r"gallery .: embeddings row 1 holds NaN"):
            search_galleries(rows, ids, parts)
    one = search_galleries(rows, [0, 1, 2, 9], {"G": (rows, ids)})["G"]
    two = search_galleries(rows[:3], [0, 1, 9], {"G": (rows, ids)})["G"]
    with pytest.raises(InputError, match="expected the same probes in each"):
        evaluate_identification({"a": one, "b": two})
    with pytest.raises(InputError, match="rank rule: expected one of pessimistic"):
        evaluate_identification({"a": one}, rank_rule="best")
    with pytest.raises(InputError, match="ranks: expected whole numbers from 1"):
        evaluate_identification({"a": one}, ranks=[0])
    with pytest.raises(InputError, match="target FPIR: expected a rate"):
        evaluate_identification({"a": one}, [2.0])
    with pytest.raises(InputError, match=r"similarity: expected shape \(probes, gallery\)"):
        search_similarity(np.ones(3), [1], [1])
