"""The tables of ``fr-export check``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fr_eval.command_line import console

from fr_export._labels import labels
from fr_export.cli._console import plain_table

if TYPE_CHECKING:
    from fr_export.formats import FormatRow, SourceRow
    from fr_export.parity_result import Parity, PointChange


def print_parity(name: str, parity: Parity, min_cosine: float) -> None:
    """Print a line about a file's cosines, and a table of accuracy and thresholds before and after."""
    out = console()
    summed = " and their mirror images, summed" if parity.flip_sum else ""
    out.print(
        f"{name}: {'pass' if parity.passes(min_cosine) else 'FAIL'}: cosine to the source over "
        f"{len(parity.cosines):,} images{summed}: min {parity.min_cosine:.6f} ({parity.worst_image}; wanted "
        f"{min_cosine:g}), 1st percentile {parity.p01_cosine:.6f}, mean {parity.mean_cosine:.6f}; "
        f"max difference {parity.max_unit_difference:.2e} at unit length",
        soft_wrap=True,
    )
    columns = ("", "before", "after", "change", "95 % interval", "thresholds", "by the source's", "FAR")
    table = plain_table(*columns)
    change = parity.accuracy_change
    table.add_row(
        f"{len(parity.before.kfold.accuracy.folds)}-fold accuracy",
        *(f"{judge.kfold.accuracy.mean:.4f}" for judge in (parity.before, parity.after)),
        f"{change.value:+.4f}",
        f"{change.low:+.4f} to {change.high:+.4f}",
    )
    for point in parity.points:
        rate = point.at_source_threshold
        table.add_row(
            f"TAR at FAR {point.before.far:g}",
            *(_tars(point) if point.measurable else "-" * 5),
            rate.note() if rate.count == 0 else f"{rate.count} of {rate.total}" + " (few)" * rate.few,
            point.verdict,
        )
    out.print(table)
    if not all(point.measurable for point in parity.points):
        total = parity.points[0].at_source_threshold.total
        out.print(f"- not measurable: one of {total:,} impostor pairs is a FAR of {1 / total:.1e}")


def print_formats(source: SourceRow, rows: Sequence[FormatRow]) -> None:
    """Print a table of size, latency and accuracy, the source first, and what is smaller but slower."""
    from fr_export.formats import smaller_but_slower

    table = plain_table("file", "kind", "MB", "ms", "mean cosine", "accuracy", "change", left=2)
    names = labels(row.path for row in rows)
    accuracy = {row.parity.summed: f"{row.parity.before.kfold.accuracy.mean:.4f}" for row in rows}
    size = f"{source.size_bytes / 1e6:.3f}"
    kind = f"source: {source.kind}"
    table.add_row(source.path.name, kind, size, _ms(source.latency_ms), "1", accuracy.pop("", "-"), "")
    for summed, of_sums in accuracy.items():
        table.add_row(source.path.name + summed, "", "", "", "1", of_sums, "")
    for row in rows:
        table.add_row(
            names[row.path] + row.parity.summed,
            row.kind,
            f"{row.size_bytes / 1e6:.3f}",
            _ms(row.latency_ms),
            f"{row.parity.mean_cosine:.6f}",
            f"{row.parity.after.kfold.accuracy.mean:.4f}",
            f"{row.parity.accuracy_change.value:+.4f}",
        )
    out = console()
    out.print(table)
    for note in smaller_but_slower(source, rows):
        out.print(note, soft_wrap=True)


def _tars(point: PointChange) -> tuple[str, ...]:
    """Return the cells of a target FAR: before, after, change, interval, thresholds."""
    change = point.tar_change
    return (
        f"{point.before.tar:.4f}",
        f"{point.after.tar:.4f}",
        f"{change.value:+.4f}",
        f"{change.low:+.4f} to {change.high:+.4f}",
        f"{point.before.threshold:.3f}, {point.after.threshold:.3f}",
    )


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.2f}"
