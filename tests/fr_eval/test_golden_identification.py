"""Open-set identification beside bob.measure and the reference's IJB 1:N, on the same similarities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError, evaluate_identification, search_similarity
from fr_eval.openset import GallerySearch

FPIRS = ("0", "0.001", "0.01", "0.1", "0.25", "0.29", "0.5", "1")
RANKS = (1, 2, 3, 5, 10)
REFUSED = {
    "I02_rank_tie": "every probe has a mate in it, so FPIR is undefined",
    "I04_k_larger_than_gallery": "every probe has a mate in it, so FPIR is undefined",
    "I05_no_nonmated": "every probe has a mate in it, so FPIR is undefined",
    "I06_no_mated": "no probe has a mate in it, so TPIR is undefined",
    "I09_nan": "similarity: row 0, column 0 is NaN",
}
CASES = (
    "I01_small_open",
    "I03_mate_missing",
    "I07_multi_gallery",
    "I08_threshold_equals_score",
    "I10_all_negative",
    "I11_single_gallery",
    "I12_all_equal",
    "I13_seed_doc",
    "I14_quantised",
    "I15_float_product",
)
# bob.measure refuses fewer than two non-mated probes.
TWO_NON_MATED = (
    "I01_small_open",
    "I08_threshold_equals_score",
    "I13_seed_doc",
    "I14_quantised",
    "I15_float_product",
)


def load(golden: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(golden / "inputs" / f"{name}.npz") as inputs:
        arrays = {key: inputs[key] for key in ("sim", "probe_ids", "gallery_ids")}
    return arrays, json.loads((golden / "golden.json").read_text())["cases"][name]["oracles"]


def search(arrays: dict[str, np.ndarray], **options: bool) -> GallerySearch:
    return search_similarity(arrays["sim"], arrays["probe_ids"], arrays["gallery_ids"], **options)


def test_every_golden_case_is_tested(golden: Path) -> None:
    names = {
        name for name in json.loads((golden / "golden.json").read_text())["cases"] if name.startswith("I")
    }
    assert names == set(CASES) | set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(golden: Path, name: str) -> None:
    arrays, _ = load(golden, name)
    with pytest.raises(InputError, match=REFUSED[name]):
        evaluate_identification({"gallery": search(arrays)})


@pytest.mark.parametrize("name", TWO_NON_MATED)
def test_tpir_at_fpir_is_bob(golden: Path, name: str) -> None:
    arrays, oracles = load(golden, name)
    result = evaluate_identification({"gallery": search(arrays)}, [float(f) for f in FPIRS], RANKS)
    gallery, bob = result.galleries["gallery"], oracles["bob"]
    for point, fpir in zip(gallery.tpir_at_fpir, FPIRS, strict=True):
        assert point.fpir_achieved == bob[f"far@fpir{fpir}"] <= float(fpir)
        assert point.tpir == bob[f"dir@fpir{fpir}@rank1"]
        below_all = fpir == "1"  # all may be false alarms: ours is the smallest score, bob's the float below
        expected = bob[f"threshold@fpir{fpir}"]
        assert point.threshold == (np.nextafter(expected, np.inf) if below_all else expected)


@pytest.mark.parametrize("name", CASES)
def test_ranks_are_bob(golden: Path, name: str) -> None:
    arrays, oracles = load(golden, name)
    result = evaluate_identification({"gallery": search(arrays)}, ranks=RANKS)
    for rank, rate in result.galleries["gallery"].rank.items():
        assert rate.value == oracles["bob"][f"dir@-inf@rank{rank}"]
    expected = oracles["bob"]["cmc_mated_only"]
    assert result.pooled_cmc is not None
    np.testing.assert_array_equal(
        result.pooled_cmc.rate[: len(expected)], expected[: result.pooled_cmc.rate.size]
    )


@pytest.mark.parametrize("name", ["I01_small_open", "I13_seed_doc", "I15_float_product"])
def test_ijb_rule_is_the_reference(golden: Path, name: str) -> None:
    arrays, oracles = load(golden, name)
    result = evaluate_identification(
        {"gallery": search(arrays)}, [0.001, 0.01, 0.1, 0.25, 0.29, 0.5, 1], (1, 5, 10), "ijb"
    )
    gallery = result.galleries["gallery"]
    expected = oracles["peers"]["keras_evaluation_1N[top1,top5,top10,thresholds,tpirs]"]
    assert [rate.count for rate in gallery.rank.values()] == expected[:3]
    assert [point.threshold for point in gallery.tpir_at_fpir] == expected[3]
    assert [point.tpir for point in gallery.tpir_at_fpir] == expected[4]


def test_ties_with_the_mate_by_name(golden: Path) -> None:
    """bob and we let a tie lose; the reference's top-k breaks it by index."""
    arrays, oracles = load(golden, "I02_rank_tie")
    found = search(arrays)
    ties_lose, ties_win, half = (found.mate_rank(rule) for rule in ("pessimistic", "optimistic", "mean"))
    assert (ties_lose <= 1).mean() == oracles["bob"]["dir@-inf@rank1"]
    assert (ties_win < ties_lose).any()
    np.testing.assert_array_equal(half, (ties_lose + ties_win) / 2)


def test_several_templates_of_a_subject() -> None:
    """A subject counts once, by its best template; ``per_template`` counts each template as a rival."""
    arrays = {
        "sim": np.array([[0.5, 0.9, 0.8]]),
        "probe_ids": np.array([0]),
        "gallery_ids": np.array([0, 1, 1]),
    }
    assert search(arrays).mate_rank().tolist() == [2]
    assert search(arrays, per_template=True).mate_rank().tolist() == [3]
