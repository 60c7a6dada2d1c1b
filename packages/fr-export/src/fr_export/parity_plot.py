"""One picture of a parity check: each image's cosine to the source, and DET before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fr_eval.files import replacing
from fr_eval.plots import COLOURS, STYLE, plot_det

from fr_export._labels import labels
from fr_export.formats import FormatRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_cosines", "plot_parity"]

BINS = 50
LEAST_WIDTH = 1e-6  # of the histogram: less is rounding


def plot_cosines(rows: Sequence[FormatRow], ax: Axes) -> Axes:
    """Draw a histogram of the cosines of each file's embeddings to the source's, on common bins."""
    lowest = min(float(row.parity.cosines.min()) for row in rows)
    edges = np.linspace(min(lowest, 1 - LEAST_WIDTH), 1, BINS + 1)
    names = labels(row.path for row in rows)
    for position, row in enumerate(rows):
        counts, _ = np.histogram(np.minimum(row.parity.cosines, 1), edges)  # one may be 1 + 2e-16
        colour = COLOURS[(position + 1) % len(COLOURS)]  # the first is the source's in the plot beside
        ax.stairs(counts, edges, color=colour, linewidth=1.6, label=names[row.path])
    ax.set(xlabel="cosine to the source", ylabel="images", title="embeddings", yscale="log")
    ax.legend(loc="upper left")
    return ax


def plot_parity(source: str, rows: Sequence[FormatRow], path: Path) -> None:
    """Write the picture; the suffix of the path says which format.

    Parameters
    ----------
    source : str
        The source's name.
    rows : sequence of FormatRow
    path : Path
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = labels(row.path for row in rows)
    curves = {f"{source} (source{row.parity.summed})": row.parity.before.verification.curve for row in rows}
    curves |= {names[row.path]: row.parity.after.verification.curve for row in rows}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.4))
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        plot_cosines(rows, left)
        plot_det(curves, right)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight", format=path.suffix[1:])
