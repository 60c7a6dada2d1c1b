"""Verification metrics beside the numbers that other implementations return for the same scores.

Where implementations disagree the comments say which convention is ours, and why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import InputError, SortedScores, equal_error_rate, evaluate_verification, tar_at_far
from fr_eval.roc import auc

FARS = ("0", "1e-06", "0.0001", "0.001", "0.01", "0.05", "0.1", "0.25", "0.29", "0.5", "1")
IJB_FARS = ("1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1")
REFUSED = {
    "V11_nan": "genuine scores: score 1 is NaN",
    "V12_inf": r"the largest is \+inf, which no threshold rejects",
    "V15_no_genuine": "genuine scores: expected at least one, got none",
    "V16_no_impostor": "impostor scores: expected at least one, got none",
}
CASES = (
    "V01_distinct",
    "V02_unsorted",
    "V03_cross_ties",
    "V04_all_equal",
    "V05_gen_tied_at_min",
    "V06_one_by_one",
    "V07_two_by_one",
    "V08_perfect",
    "V09_inverted",
    "V10_imp_tied_at_max",
    "V13_negative",
    "V14_quantised",
    "V17_float32",
    "V18_huge",
    "V19_seed_doc",
    "V20_ijb_like",
    "V21_far_below_1_over_N",
    "V22_float_product",
    "V23_duplicated_x3",
    "V24_minus_zero",
)
# bob.measure refuses fewer than two impostors.
ONE_IMPOSTOR = ("V06_one_by_one", "V07_two_by_one")
# bob's "next float above" is nextafter(x, x + 1), which does not move from 3e17: its FAR exceeds the target.
# Ours is nextafter(x, inf).
HUGE = "V18_huge"
# bob computes in float64 whatever the scores are; the next float above a float32 score is ours in float32.
FLOAT32 = "V17_float32"


def load(golden: Path, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    with np.load(golden / "inputs" / f"{name}.npz") as inputs:
        genuine, impostor = inputs["gen"], inputs["imp"]
    oracles = json.loads((golden / "golden.json").read_text())["cases"][name]["oracles"]
    return genuine, impostor, oracles


def test_every_golden_case_is_tested(golden: Path) -> None:
    names = {
        name for name in json.loads((golden / "golden.json").read_text())["cases"] if name.startswith("V")
    }
    assert names == set(CASES) | set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(golden: Path, name: str) -> None:
    genuine, impostor, _ = load(golden, name)
    with pytest.raises(InputError, match=REFUSED[name]):
        evaluate_verification(genuine, impostor)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ONE_IMPOSTOR])
@pytest.mark.parametrize("far", FARS)
def test_conservative_is_bob(golden: Path, name: str, far: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    (point,) = tar_at_far(SortedScores.of(genuine, impostor), [float(far)])
    assert point.far_achieved <= float(far)
    threshold = float(oracles["bob"][f"far_threshold@{far}"])
    smallest, largest = float(impostor.min()), float(impostor.max())
    bob_far, bob_frr = oracles["bob"][f"farfrr@far_threshold@{far}"]
    if name == HUGE and bob_far > float(far):
        assert threshold == largest and point.threshold == np.nextafter(largest, np.inf)
        return
    assert point.far_achieved == bob_far
    assert 1 - point.tar == pytest.approx(bob_frr, abs=1e-15)
    if name == FLOAT32 and threshold > largest:
        assert point.threshold == np.nextafter(impostor.max(), np.float32(np.inf))
    elif far == "1":
        # All may be accepted: ours is the smallest score, bob's the float below it, if it moves.
        assert point.threshold == smallest and threshold in (smallest, np.nextafter(smallest, -np.inf))
    else:
        assert point.threshold == threshold


@pytest.mark.parametrize("name", ONE_IMPOSTOR)
def test_one_impostor(golden: Path, name: str) -> None:
    genuine, impostor, _ = load(golden, name)
    none, every = tar_at_far(SortedScores.of(genuine, impostor), [0.5, 1.0])
    assert none.threshold == np.nextafter(impostor[0], np.inf) and none.false_accepts.count == 0
    assert every.threshold == impostor[0] and every.false_accepts.count == 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("far", FARS)
def test_max_tar_is_scikit_learn(golden: Path, name: str, far: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    (point,) = tar_at_far(SortedScores.of(genuine, impostor), [float(far)], "max_tar")
    expected = oracles["sklearn"][f"tar_at_most@{far}(drop=False)"]
    assert point.far_achieved <= float(far)
    assert point.tar == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("far", IJB_FARS)
def test_nearest_is_the_ijb_tables(golden: Path, name: str, far: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    (point,) = tar_at_far(SortedScores.of(genuine, impostor), [float(far)], "nearest")
    assert [point.tar, point.far_achieved] == pytest.approx(
        oracles["peers"][f"ijb_nearest_tpr,fpr@{far}"], abs=1e-15
    )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("far", FARS)
def test_linear_keeps_the_target(golden: Path, name: str, far: str) -> None:
    genuine, impostor, _ = load(golden, name)
    scores = SortedScores.of(genuine, impostor)
    (linear,) = tar_at_far(scores, [float(far)], "linear")
    (conservative,) = tar_at_far(scores, [float(far)])
    (max_tar,) = tar_at_far(scores, [float(far)], "max_tar")
    assert linear.far_achieved <= float(far)
    assert conservative.tar <= linear.tar <= max_tar.tar


@pytest.mark.parametrize("name", CASES)
def test_auc_is_scikit_learn(golden: Path, name: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    assert auc(SortedScores.of(genuine, impostor)) == pytest.approx(
        oracles["sklearn"]["roc_auc_score"], abs=1e-12
    )


@pytest.mark.parametrize("name", CASES)
def test_eer_midpoint(golden: Path, name: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    eer = equal_error_rate(SortedScores.of(genuine, impostor))
    value, far, frr = oracles["bob"]["eer,far,frr"]
    if name == "V07_two_by_one":
        # |FAR - FRR| is 0.5 both at (0, 0.5) and at (1, 0.5): bob takes the second, pyeer and we the first.
        assert (eer.value, eer.low, eer.high) == (0.25, 0.0, 0.5)
        assert eer.value == oracles["pyeer"]["eer"]
    else:
        assert eer.value == pytest.approx(value, abs=1e-15)
        assert [eer.low, eer.high] == pytest.approx(sorted((far, frr)), abs=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_eer_interpolated_is_brentq_on_the_roc(golden: Path, name: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    eer = equal_error_rate(SortedScores.of(genuine, impostor), "interpolated")
    assert eer.value == pytest.approx(oracles["sklearn"]["eer_brentq_interp1d"], abs=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_eer_hull_is_llreval(golden: Path, name: str) -> None:
    genuine, impostor, oracles = load(golden, name)
    eer = equal_error_rate(SortedScores.of(genuine, impostor), "hull")
    assert eer.value == pytest.approx(oracles["llreval"]["rocch_eer,cllr,min_cllr"][0], abs=1e-8)


def test_constant_scores_have_eer_one_half(golden: Path) -> None:
    genuine, impostor, _ = load(golden, "V04_all_equal")
    for method in ("midpoint", "interpolated", "hull"):
        assert equal_error_rate(SortedScores.of(genuine, impostor), method).value == 0.5
