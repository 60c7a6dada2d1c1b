"""A sweep's rows as Markdown, CSV and a plot of latency over size."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fr_eval.files import replacing, write_text
from fr_eval.plots import COLOURS, STYLE

from fr_export.sweep import SweepRow

__all__ = ["COLUMNS", "cells", "write_csv", "write_markdown", "write_plot", "write_tables"]

COLUMNS = (
    "model",
    "head",
    "dim",
    "pointwise",
    "kind",
    "parameters",
    "size_mb",
    "threads",
    "median_ms",
    "p90_ms",
)
SIZE = COLUMNS.index("size_mb")
MARKERS = "osD^vP*X"


def cells(row: SweepRow) -> list[str]:
    """Return a row's cells, in the order of `COLUMNS`."""
    setting = row.setting
    return [
        setting.model,
        setting.head,
        str(setting.embedding_dim),
        "yes" if setting.pointwise else "no",
        row.kind,
        str(row.parameters),
        f"{row.size_bytes / 1e6:.3f}",
        str(row.threads),
        f"{row.median_ms:.3f}",
        f"{row.p90_ms:.3f}",
    ]


def write_tables(rows: Sequence[SweepRow], folder: Path) -> None:
    """Write ``sweep.md``, ``sweep.csv`` and ``sweep.png`` into a folder."""
    write_csv(rows, folder / "sweep.csv")
    write_markdown(rows, folder / "sweep.md")
    write_plot(rows, folder / "sweep.png")


def write_markdown(rows: Sequence[SweepRow], path: Path) -> None:
    """Write a table of the rows, in their order."""
    words = {"model", "head", "pointwise", "kind"}
    rule = ["---" if column in words else "---:" for column in COLUMNS]
    lines = [COLUMNS, rule, *(cells(row) for row in rows)]
    write_text(path, "".join(f"| {' | '.join(line)} |\n" for line in lines))


def write_csv(rows: Sequence[SweepRow], path: Path) -> None:
    """Write the rows, in their order, with ``size_bytes`` in place of ``size_mb``."""
    lines = [list(COLUMNS), *(cells(row) for row in rows)]
    for line, size in zip(lines, ["size_bytes", *(str(row.size_bytes) for row in rows)], strict=True):
        line[SIZE] = size
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    write_text(path, text.getvalue())


def write_plot(rows: Sequence[SweepRow], path: Path) -> None:
    """Draw latency over size, a panel a number of threads: a colour a model, a marker a head."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    threads = sorted({row.threads for row in rows})
    models = sorted({row.setting.model for row in rows})
    heads = sorted({row.setting.head for row in rows})
    several_kinds = len({row.kind for row in rows}) > 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4 * len(threads), 4.8))
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(threads), squeeze=False, sharey=True)[0]
        for panel, count in zip(panels, threads, strict=True):
            seen: set[str] = set()
            for row in (row for row in rows if row.threads == count):
                name = f"{row.setting.model}, {row.setting.head}"
                panel.plot(
                    row.size_bytes / 1e6,
                    row.median_ms,
                    MARKERS[heads.index(row.setting.head) % len(MARKERS)],
                    color=COLOURS[models.index(row.setting.model) % len(COLOURS)],
                    label=None if name in seen else name,
                )
                label = f"{row.setting.embedding_dim}{' pw' if row.setting.pointwise else ''}"
                label += f" {row.kind}" if several_kinds else ""
                place = (row.size_bytes / 1e6, row.median_ms)
                panel.annotate(label, place, (4, 3), textcoords="offset points", fontsize=6)
                seen.add(name)
            title = f"{count} thread{'s' if count > 1 else ''}"
            panel.set(xlabel="size in MB", xscale="log", yscale="log", title=title)
            panel.legend(fontsize=7)
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter("{x:g}")
            panel.tick_params(which="both", labelsize=7)
        panels[0].set_ylabel("median latency in ms")
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight", format=path.suffix[1:])
