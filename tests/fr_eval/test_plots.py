"""What the plots draw: the data, the axes, the names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval import InputError, SortedScores
from fr_eval.curves import CmcCurve, DirCurve, RocCurve
from fr_eval.plots import plot_cmc, plot_det, plot_dir, plot_roc, plot_scores, save_figure
from fr_eval.roc import roc_curve, score_density
from matplotlib.figure import Figure


@pytest.fixture
def scores(rng: np.random.Generator) -> SortedScores:
    return SortedScores.of(rng.normal(2, 1, 3000), rng.normal(0, 1, 3000))


@pytest.fixture
def curves(scores: SortedScores) -> dict[str, RocCurve]:
    worse = SortedScores(scores.genuine - 1, scores.impostor)
    return {"good": roc_curve(scores), "worse": roc_curve(worse)}


def test_roc(curves: dict[str, RocCurve]) -> None:
    ax = plot_roc(curves)
    line = ax.lines[0]
    seen = curves["good"].far > 0
    np.testing.assert_array_equal(line.get_xdata(), curves["good"].far[seen])
    np.testing.assert_array_equal(line.get_ydata(), curves["good"].tar[seen])
    legend = ax.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["good", "worse"]
    assert ax.get_xscale() == "log"
    equal = ax.lines[1]
    assert equal.get_xdata()[0] == pytest.approx(1 - equal.get_ydata()[0], abs=2e-3)


def test_gaussian_scores_give_a_straight_det(scores: SortedScores) -> None:
    ax = plot_det({"gauss": roc_curve(scores)})
    far, frr = ax.lines[0].get_data()
    middle = (np.abs(far) < 2) & (np.abs(frr) < 2)
    slope, intercept = np.polyfit(far[middle], frr[middle], 1)
    assert slope == pytest.approx(-1, abs=0.1) and intercept == pytest.approx(-2, abs=0.15)
    assert all(label.get_text().endswith("%") for label in ax.get_xticklabels())


def test_dir_cmc_and_scores(scores: SortedScores) -> None:
    dir_curve = DirCurve(np.array([3.0, 2, 1]), np.array([0.0, 0.1, 1]), np.array([0.5, 0.8, 0.9]))
    ax = plot_dir({"G1": dir_curve})
    assert ax.lines[0].get_xdata().tolist() == [0.1, 1] and ax.get_xscale() == "log"
    ax = plot_cmc({"G1": CmcCurve(np.arange(1, 4), np.array([0.5, 0.7, 1]))})
    assert ax.lines[0].get_ydata().tolist() == [0.5, 0.7, 1]
    ax = plot_scores(score_density(scores), {"FAR 1e-3": 1.5, "nothing": np.inf, "outside": 99})
    assert [text.get_text() for text in ax.texts] == ["FAR 1e-3"] and len(ax.lines) == 1


def test_given_axes_and_files(curves: dict[str, RocCurve], tmp_path: Path) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert plot_roc(curves, ax) is ax
    for suffix, magic in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        save_figure(ax, tmp_path / "new" / f"roc{suffix}")
        assert (tmp_path / "new" / f"roc{suffix}").read_bytes().startswith(magic)


def test_perfect_systems_and_empty_plots() -> None:
    perfect = {"perfect": roc_curve(SortedScores.of([0.9, 0.8], [0.1, 0.2]))}
    plot_roc(perfect)
    plot_det(perfect)
    with pytest.raises(InputError, match="nothing to draw"):
        plot_roc({})
