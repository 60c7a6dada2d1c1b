"""One picture of a parity check: each image's cosine to the source, and DET before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fr_eval.files import replacing
from fr_eval.plots import COLOURS, STYLE, plot_det

from fr_export.formats import Format

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_cosines", "plot_parity"]

BINS = 50


def plot_cosines(rows: Sequence[Format], ax: Axes) -> Axes:
    """Draw a histogram of the cosines of each file's embeddings to the source's, on common bins."""
    edges = np.histogram_bin_edges(np.concatenate([row.parity.cosines for row in rows]), BINS)
    for position, row in enumerate(rows):
        counts, _ = np.histogram(row.parity.cosines, edges)
        colour = COLOURS[(position + 1) % len(COLOURS)]  # the first is the source's in the plot beside
        ax.stairs(counts, edges, color=colour, linewidth=1.6, label=row.path.name)
    ax.set(xlabel="cosine to the source", ylabel="images", title="embeddings", yscale="log")
    ax.legend(loc="upper left")
    return ax


def plot_parity(source: str, rows: Sequence[Format], path: Path) -> None:
    """Write the picture; the suffix of the path says which format.

    Parameters
    ----------
    source : str
        The source's name.
    rows : sequence of Format
    path : Path
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = {source: rows[0].parity.before.verification.curve}
    curves |= {row.path.name: row.parity.after.verification.curve for row in rows}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.4))
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        plot_cosines(rows, left)
        plot_det(curves, right)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight", format=path.suffix[1:])
