"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fr_eval.command_line import console
from fr_eval.identification_result import IdentificationResult
from fr_eval.kfold import KFoldResult
from fr_eval.verification import OperatingPoint, VerificationResult


def plain_table(title: str | None = None) -> Table:
    """Return a table with a rule under its headings and nothing else."""
    return Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)


def operating_points_table(
    title: str, n_genuine: int, n_impostor: int, points: Iterable[OperatingPoint]
) -> Table:
    """Return a table with one row a target FAR."""
    table = plain_table(f"{title}: {n_genuine:,} genuine, {n_impostor:,} impostor pairs")
    for heading in ("FAR", "TAR", "95 % interval", "threshold", "FAR achieved", "false accepts", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        low, high = point.accepted.interval
        table.add_row(
            f"{point.far:.0e}",
            f"{point.tar:.4%}",
            f"{low:.2%} - {high:.2%}",
            f"{point.threshold:.6f}",
            f"{point.far_achieved:.3e}",
            f"{point.false_accepts.count:,}",
            point.false_accepts.note(),
        )
    return table


def print_verification(result: VerificationResult, kfold: KFoldResult | None = None) -> None:
    """Print the operating points, then the figures without a target."""
    table = operating_points_table(
        "Verification", result.n_genuine, result.n_impostor, result.operating_points
    )
    out = console()
    out.print(table)
    if kfold is not None:
        accuracy = kfold.accuracy
        out.print(
            f"{len(accuracy.folds)}-fold accuracy {accuracy.mean:.4f}, standard deviation {accuracy.std:.4f}"
            f" (standard error {accuracy.standard_error:.4f})"
            f"; VAL {kfold.val.mean:.4f} at FAR {kfold.val_far.mean:.1e} (set for 1e-3)"
        )
    best, threshold = result.max_accuracy
    eer = result.eer
    out.print(f"max accuracy  {best:.4f} at {threshold:.6f} (threshold chosen on these very pairs)")
    out.print(f"EER           {eer.value:.2%} [{eer.low:.4%}, {eer.high:.4%}] at {eer.threshold:.6f}")
    out.print(f"AUC           {result.auc:.8f}")


def print_identification(result: IdentificationResult) -> None:
    """Print one row a gallery, then their mean and the pooled value."""
    table = plain_table(f"Open-set identification: TPIR@FPIR, threshold rule {result.threshold_rule}")
    table.add_column("gallery")
    headings = ["mated", "non-mated"] + [f"rank {rank}" for rank in result.ranks]
    for heading in headings + [f"TPIR@{fpir:g}" for fpir in result.fpirs]:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, gallery in result.galleries.items():
        table.add_row(
            name,
            f"{gallery.n_mated:,}",
            f"{gallery.n_nonmated:,}",
            *(f"{gallery.rank[rank].value:.2%}" for rank in result.ranks),
            *(f"{p.tpir:.2%}{'*' if p.false_alarms.few else ''}" for p in gallery.tpir_at_fpir),
        )
    if len(result.galleries) > 1:
        _add_summaries(table, result)
    out = console()
    out.print(table)
    if any(p.false_alarms.few for g in result.galleries.values() for p in g.tpir_at_fpir):
        out.print("* fewer than 30 false alarms at this threshold: the FPIR is not well measured")


def _add_summaries(table: Table, result: IdentificationResult) -> None:
    positions = range(len(result.fpirs))
    table.add_section()
    table.add_row(
        "mean",
        "",
        "",
        *(f"{result.mean_rank(rank):.2%}" for rank in result.ranks),
        *(f"{result.mean_tpir(i):.2%}" for i in positions),
    )
    pooled = (f"{result.pooled_rank[r].value:.2%}" if result.pooled_rank else "-" for r in result.ranks)
    table.add_row("pooled", "", "", *pooled, *(f"{result.pooled_tpir(i).value:.2%}" for i in positions))
