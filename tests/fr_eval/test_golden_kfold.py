"""LFW-style accuracy beside insightface's and Keras_insightface's evaluation of the same pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval import SortedScores, kfold_accuracy, kfold_accuracy_pca
from fr_eval.roc import max_accuracy

CASES = ("L01_600_pairs", "L02_flip_sum", "L03_noisy")


def load(golden: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    with np.load(golden / "inputs" / f"{name}.npz") as inputs:
        embeddings, is_same = inputs["emb"].astype(np.float64), inputs["same"].astype(bool)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    peers = json.loads((golden / "golden.json").read_text())["cases"][name]["oracles"]["peers"]
    return unit[::2], unit[1::2], is_same, peers


@pytest.mark.parametrize("name", CASES)
def test_insightface_grid_fold_by_fold(golden: Path, name: str) -> None:
    first, second, is_same, peers = load(golden, name)
    result = kfold_accuracy((first * second).sum(axis=1), is_same, grid="insightface")
    assert list(result.accuracy.folds) == peers["calculate_roc.accuracy_folds"]
    mean, std = peers["accuracy_mean,std(ddof=0)"]
    assert result.accuracy.mean == pytest.approx(mean, abs=1e-15)
    assert result.accuracy.std == pytest.approx(std * (10 / 9) ** 0.5, abs=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_pca_is_insightface(golden: Path, name: str) -> None:
    first, second, is_same, peers = load(golden, name)
    result = kfold_accuracy_pca(first, second, is_same, 8, grid="insightface")
    assert result.accuracy.mean == pytest.approx(peers["accuracy_mean_pca8"], abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_exact_thresholds_stay_close_to_the_grid(golden: Path, name: str) -> None:
    first, second, is_same, peers = load(golden, name)
    exact = kfold_accuracy((first * second).sum(axis=1), is_same).accuracy.mean
    assert exact == pytest.approx(peers["accuracy_mean,std(ddof=0)"][0], abs=0.005)


@pytest.mark.parametrize("name", CASES)
def test_max_accuracy_is_at_least_the_reference(golden: Path, name: str) -> None:
    """The reference tries only thresholds among the top tenth of the impostors: ours can be better."""
    first, second, is_same, peers = load(golden, name)
    scores = (first * second).sum(axis=1)
    accuracy, threshold = max_accuracy(SortedScores.of(scores[is_same], scores[~is_same]))
    assert accuracy >= peers["keras_eval_callback[acc,thresh]"][0]
    assert accuracy == ((scores >= threshold) == is_same).mean()
    if name != "L03_noisy":
        assert accuracy == pytest.approx(peers["keras_eval_callback[acc,thresh]"][0], abs=1e-15)
