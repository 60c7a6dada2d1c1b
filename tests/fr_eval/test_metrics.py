"""Metrics against plain loops on any scores, and the bad input that each refuses."""

from __future__ import annotations

import numpy as np
import pytest
from fr_eval import (
    THRESHOLD_RULES,
    InputError,
    Rate,
    SortedScores,
    equal_error_rate,
    evaluate_verification,
    kfold_accuracy,
    kfold_accuracy_pca,
    tar_at_far,
    wilson_interval,
)
from fr_eval.counting import round_up_to
from fr_eval.kfold import contiguous_folds
from fr_eval.roc import auc, max_accuracy, roc_curve, score_density
from fr_eval.thresholds import accepted_at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

score_lists = st.lists(st.integers(-6, 6).map(lambda n: n / 10), min_size=1, max_size=40)
dtypes = st.sampled_from([np.float32, np.float64])


@settings(max_examples=150, deadline=None)
@given(score_lists, score_lists, dtypes, st.sampled_from([0.0, 0.03, 0.1, 0.29, 1 / 3, 0.5, 1.0]))
def test_operating_points_equal_plain_loops(genuine: list, impostor: list, dtype: type, far: float) -> None:
    genuine, impostor = np.array(genuine, dtype), np.array(impostor, dtype)
    scores = SortedScores.of(genuine, impostor)
    for rule in THRESHOLD_RULES:
        (point,) = tar_at_far(scores, [far], rule)
        accept = np.greater if rule == "ijb" else np.greater_equal
        assert point.false_accepts.count == sum(accept(s, point.threshold) for s in impostor.astype(float))
        assert point.accepted.count == sum(accept(s, point.threshold) for s in genuine.astype(float))
        if rule in ("conservative", "max_tar", "linear"):
            assert point.far_achieved <= far
    best = max((genuine >= t).mean() for t in [*genuine, *impostor, np.inf] if (impostor >= t).mean() <= far)
    assert tar_at_far(scores, [far], "max_tar")[0].tar == best


@settings(max_examples=150, deadline=None)
@given(score_lists, score_lists, dtypes)
def test_whole_range_figures_equal_plain_loops(genuine: list, impostor: list, dtype: type) -> None:
    genuine, impostor = np.array(genuine, dtype), np.array(impostor, dtype)
    scores = SortedScores.of(genuine, impostor)
    labels = np.r_[np.ones(genuine.size), np.zeros(impostor.size)]
    assert auc(scores) == pytest.approx(roc_auc_score(labels, np.r_[genuine, impostor]), abs=1e-12)

    at = [*np.union1d(genuine, impostor), np.inf]
    far, frr = (
        np.array([f(t) for t in at])
        for f in (lambda t: (impostor >= t).mean(), lambda t: (genuine < t).mean())
    )
    closest = np.abs(far - frr).min()
    eer = equal_error_rate(scores)
    assert eer.high - eer.low == pytest.approx(closest, abs=1e-12)
    assert 2 * eer.value == pytest.approx((far + frr)[np.abs(far - frr) <= closest + 1e-12].min(), abs=1e-12)
    assert equal_error_rate(scores, "hull").value <= equal_error_rate(scores, "interpolated").value + 1e-12

    accuracies = [((genuine >= t).sum() + (impostor < t).sum()) / labels.size for t in at]
    assert max_accuracy(scores)[0] == pytest.approx(max(accuracies), abs=1e-12)
    curve = roc_curve(scores)
    assert (np.diff(curve.far) >= 0).all() and (np.diff(curve.tar) >= 0).all()
    assert (curve.far[0], curve.tar[0], curve.far[-1], curve.tar[-1]) == (0, 0, 1, 1)
    density = score_density(scores)
    for heights in (density.genuine, density.impostor):
        assert (heights * np.diff(density.edges)).sum() == pytest.approx(1)


def test_thinned_curves_keep_exact_points(rng: np.random.Generator) -> None:
    genuine, impostor = rng.normal(1, 1, 5000), rng.normal(0, 1, 50_000)
    curve = roc_curve(SortedScores.of(genuine, impostor), 200)
    assert curve.far.size < 250 and (curve.far[0], curve.far[-1]) == (0, 1)
    for k in (3, 60, 150):
        assert curve.far[k] == (impostor >= curve.threshold[k]).mean()
        assert curve.tar[k] == (genuine >= curve.threshold[k]).mean()


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_accepted_at_most(n_impostor: int, far: float) -> None:
    count = accepted_at_most(far, n_impostor)
    assert count / n_impostor <= far
    assert count == n_impostor or (count + 1) / n_impostor > far


def test_float_product_does_not_lose_a_count() -> None:
    assert int(100 * 0.29) == 28 and accepted_at_most(0.29, 100) == 29


@given(st.floats(-1, 1))
def test_float64_thresholds_on_float32_scores(threshold: float) -> None:
    score = np.float32(threshold)
    assert (score >= round_up_to(threshold, np.dtype(np.float32))) == (float(score) >= threshold)


def test_minus_infinity_is_a_score_that_is_never_accepted() -> None:
    scores = SortedScores.of([0.9, -np.inf, 0.5], [0.1, -np.inf, 0.2])
    assert tar_at_far(scores, [0.0])[0].tar == pytest.approx(2 / 3)
    assert scores.frr(-1e30) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("genuine", "impostor", "message"),
    [
        ([0.1, np.nan], [0.1], "genuine scores: score 1 is NaN"),
        ([0.1], [[0.1]], r"impostor scores: expected one dimension, got shape \(1, 1\)"),
        ([], [0.1], "genuine scores: expected at least one"),
        (["a"], [0.1], "genuine scores: expected numbers"),
        ([0.1], [np.inf], r"the largest is \+inf"),
    ],
)
def test_bad_scores(genuine: list, impostor: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_verification(genuine, impostor)


def test_bad_options() -> None:
    scores = SortedScores.of([0.5], [0.1])
    for far in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="target FAR: expected a rate from 0 to 1"):
            tar_at_far(scores, [far])
    with pytest.raises(InputError, match=r"threshold rule: expected one of conservative, .*, got 'best'"):
        tar_at_far(scores, [0.1], "best")
    with pytest.raises(InputError, match="EER method: expected one of midpoint"):
        equal_error_rate(scores, "mean")


def test_kfold_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0.7, 0.3, 0.4, 0.0])
    same = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
    result = kfold_accuracy(scores, same, 2)
    # Fold 1 is judged at 0.7 (learnt from fold 2: largest of the best), fold 2 at 0.8.
    assert result.threshold.folds == (0.7, 0.8)
    assert result.accuracy.folds == (1.0, 0.5)
    assert result.accuracy.std == pytest.approx(np.std([1, 0.5], ddof=1))
    assert result.accuracy.standard_error == pytest.approx(result.accuracy.std / 2**0.5)
    # VAL accepts from just above 0.4 in fold 1 and just above 0.2 in fold 2.
    assert result.val.folds == (1.0, 1.0) and result.val_far.folds == (0.0, 0.5)
    named = kfold_accuracy(scores[::-1], same[::-1], np.array([5, 5, 5, 5, 1, 1, 1, 1]))
    assert sorted(named.accuracy.folds) == [0.5, 1.0]


def test_contiguous_folds() -> None:
    assert contiguous_folds(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    with pytest.raises(InputError, match="folds: expected 2 to 7"):
        contiguous_folds(7, 8)


def test_bad_folds(rng: np.random.Generator) -> None:
    scores = rng.uniform(size=8)
    with pytest.raises(InputError, match="a fold holds one class only"):
        kfold_accuracy(scores, [1, 1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 1, 1, 1, 0, 0])
    with pytest.raises(InputError, match="is_same: expected 8 booleans"):
        kfold_accuracy(scores, [True] * 7)
    with pytest.raises(InputError, match="is_same: expected 8 booleans"):
        kfold_accuracy(scores, range(8))
    rows = rng.standard_normal((8, 4))
    with pytest.raises(InputError, match="PCA: expected 1 to 4 components, got 5"):
        kfold_accuracy_pca(rows, rows, [1, 0] * 4, 5, 2)
    rows[3] = 0
    with pytest.raises(InputError, match="first embeddings: row 3 is zero"):
        kfold_accuracy_pca(rows, rows, [1, 0] * 4, 2, 2)


def test_intervals() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: Wilson intervals of 81/263, 15/148, 0/20, 1/29.
    for count, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson_interval(count, total) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(20, 20)[1] == 1.0
    zero = Rate(0, 3000)
    assert zero.bound_if_zero == 0.001 and zero.few and zero.note() == "0 of 3000: < 1.0e-03"
    assert Rate(29, 100).few and not Rate(30, 100).few
    assert Rate(5, 100).note() == "few: 5" and Rate(50, 100).note() == ""
    with pytest.raises(InputError, match="expected 0 <= count <= total"):
        wilson_interval(3, 2)
    with pytest.raises(InputError, match="confidence"):
        wilson_interval(1, 2, 1.0)


def test_results_as_frames_and_json() -> None:
    result = evaluate_verification([0.9, 0.8, 0.4], [0.5, 0.3, 0.2, 0.1], fars=[0.25, 0.0])
    frame = result.to_frame()
    assert frame["tar"].tolist() == [2 / 3, 2 / 3] and frame["false_accepts"].tolist() == [1, 0]
    figures = result.to_json()
    assert figures["n_genuine"] == 3 and figures["n_impostor"] == 4
    assert figures["tar_at_far"][1]["far_below_if_zero"] == 0.75
    assert result.plot().get_xlabel() == "false accept rate"
