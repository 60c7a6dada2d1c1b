"""Plots of the field: ROC, DET, DIR over FPIR, CMC and score histograms, several systems overlaid.

Every function draws on the axes it is given, or on a new figure of its own; nothing global is touched. A
curve is drawn only where its data reach: rates of zero have no place on a logarithmic axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.curves import CmcCurve, DirCurve, RocCurve, ScoreDensity
from fr_eval.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_cmc", "plot_det", "plot_dir", "plot_roc", "plot_scores", "save_figure"]

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":")
STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
DET_TICKS = (0.00001, 0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4)
DET_LARGEST = 0.5


def plot_roc(curves: Mapping[str, RocCurve], ax: Axes | None = None) -> Axes:
    """Draw TAR over FAR, the latter logarithmic, and mark each system's equal error point.

    Parameters
    ----------
    curves : mapping of system name to RocCurve
    ax : Axes, optional

    Raises
    ------
    InputError
        Nothing to draw.
    """
    with _axes(curves, ax) as axes:
        for (name, curve), style in zip(curves.items(), _styles(), strict=False):
            seen = curve.far > 0
            axes.step(curve.far[seen], curve.tar[seen], where="post", label=name, **style)
            equal = int(np.argmin(np.abs(curve.far - curve.frr)))
            axes.plot(curve.far[equal], curve.tar[equal], "o", color=style["color"], markersize=5)
        axes.set_xscale("log")
        axes.set(xlabel="false accept rate", ylabel="true accept rate", title="ROC (dots: equal error rate)")
        axes.set_ylim(top=1.002)
        axes.legend(loc="lower right")
    return axes


def plot_det(curves: Mapping[str, RocCurve], ax: Axes | None = None) -> Axes:
    """Draw the detection error trade-off: FRR over FAR, both on normal-deviate axes.

    Gaussian scores give straight lines (A. Martin et al., "The DET curve in assessment of detection task
    performance", Eurospeech 1997).
    """
    with _axes(curves, ax) as axes:
        smallest = DET_LARGEST
        for (name, curve), style in zip(curves.items(), _styles(), strict=False):
            seen = (curve.far > 0) & (curve.frr > 0) & (curve.far < 1) & (curve.frr < 1)
            axes.plot(_deviate(curve.far[seen]), _deviate(curve.frr[seen]), label=name, **style)
            smallest = min([smallest, *curve.far[seen].tolist(), *curve.frr[seen].tolist()])
        smallest = max(smallest, 1e-7) if smallest < DET_LARGEST else DET_TICKS[2]
        ends = _deviate(np.array([smallest, DET_LARGEST]))
        ticks = [tick for tick in DET_TICKS if tick >= smallest]
        axes.plot(ends, ends, color="#999999", linewidth=0.8)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(_deviate(np.array(ticks)).tolist(), [f"{100 * tick:g} %" for tick in ticks])
        axes.tick_params(labelsize=8)
        axes.set(xlim=ends, ylim=ends, xlabel="false accept rate", ylabel="false reject rate", title="DET")
        axes.legend(loc="upper right")
    return axes


def plot_dir(curves: Mapping[str, DirCurve], ax: Axes | None = None) -> Axes:
    """Draw the detection and identification rate (TPIR) over FPIR, the latter logarithmic."""
    with _axes(curves, ax) as axes:
        for (name, curve), style in zip(curves.items(), _styles(), strict=False):
            seen = curve.fpir > 0
            axes.step(curve.fpir[seen], curve.tpir[seen], where="post", label=name, **style)
        axes.set_xscale("log")
        ranks = sorted({curve.rank for curve in curves.values()})
        title = f"open-set identification, rank {', '.join(map(str, ranks))}"
        axes.set(
            xlabel="false positive identification rate",
            ylabel="true positive identification rate",
            title=title,
        )
        axes.legend(loc="lower right")
    return axes


def plot_cmc(curves: Mapping[str, CmcCurve], ax: Axes | None = None) -> Axes:
    """Draw cumulative match characteristics: the share of mates found within each rank."""
    with _axes(curves, ax) as axes:
        for (name, curve), style in zip(curves.items(), _styles(), strict=False):
            axes.step(curve.rank, curve.rate, where="post", label=name, **style)
        axes.set(xlabel="rank", ylabel="identification rate", title="CMC")
        axes.set_xlim(left=1)
        axes.legend(loc="lower right")
    return axes


def plot_scores(
    density: ScoreDensity, thresholds: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw histograms of genuine and impostor scores, with thresholds as labelled lines.

    Thresholds that are infinite or outside the scores are left out.
    """
    with _axes({"scores": density}, ax) as axes:
        classes = (("impostor", density.impostor, COLOURS[1]), ("genuine", density.genuine, COLOURS[0]))
        for name, heights, colour in classes:
            axes.stairs(heights, density.edges, fill=True, alpha=0.45, color=colour, label=name)
        low, high = density.edges[0], density.edges[-1]
        shown = {label: at for label, at in (thresholds or {}).items() if low <= at <= high}
        for label, at in shown.items():
            axes.axvline(at, color="#444444", linewidth=0.8, linestyle=":")
            axes.text(
                at,
                0.98,
                label,
                rotation=90,
                va="top",
                ha="right",
                fontsize=8,
                transform=axes.get_xaxis_transform(),
            )
        axes.set(xlabel="score", ylabel="density", title="scores")
        axes.legend(loc="upper right")
    return axes


def save_figure(axes: Axes, path: Path) -> None:
    """Write the figure of these axes; the suffix of the path says which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes.get_figure().savefig(path, dpi=150, bbox_inches="tight")  # type: ignore[union-attr]


@contextmanager
def _axes(drawn: Mapping[str, object], ax: Axes | None) -> Iterator[Axes]:
    """Give the axes to draw on, in the house style."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not drawn:
        raise InputError("plot: nothing to draw, expected at least one curve")
    with mpl.rc_context(STYLE):
        if ax is None:
            figure = Figure(figsize=(6.4, 4.4))
            FigureCanvasAgg(figure)
            ax = figure.add_subplot()
        yield ax


def _styles() -> Iterator[dict[str, Any]]:
    for line in LINES:
        for colour in COLOURS:
            yield {"color": colour, "linestyle": line}


def _deviate(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard normal deviate of each rate in (0, 1)."""
    quantile = NormalDist().inv_cdf
    return np.array([quantile(rate) for rate in rates.tolist()])
