"""``fr-eval identify``: open-set identification of one embedding set in another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._options import FPIRS, RANKS, Fpirs, JsonFile, PlotFolder, Ranks, numbers, whole_numbers


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(identify)


def identify(
    gallery: Annotated[Path, typer.Option(help="Embedding set of the enrolled, with labels.")],
    probes: Annotated[Path, typer.Option(help="Embedding set of the probes, with labels.")],
    fpir: Fpirs = FPIRS,
    ranks: Ranks = RANKS,
    rank_rule: Annotated[
        str, typer.Option(help="pessimistic, optimistic or mean: how ties rank.")
    ] = "pessimistic",
    per_template: Annotated[
        bool, typer.Option(help="Count every gallery row as a rival of its own.")
    ] = False,
    json_path: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Search probes in a gallery: TPIR at FPIR, and rank rates.

    A probe is mated iff its label is among the gallery's labels.
    """
    from fr_eval.embeddings import EmbeddingSet
    from fr_eval.errors import InputError
    from fr_eval.identification import evaluate_identification
    from fr_eval.openset import search_galleries
    from fr_eval.reports import report_identification

    targets, wanted = numbers(fpir, "--fpir"), whole_numbers(ranks, "--ranks")
    enrolled, searched = EmbeddingSet.load(gallery), EmbeddingSet.load(probes)
    for path, labels in ((gallery, enrolled.labels), (probes, searched.labels)):
        if labels is None:
            raise InputError(f"{path}: no labels, expected an array 'labels' of integers")
    assert enrolled.labels is not None and searched.labels is not None
    if max(wanted) > len(enrolled.embeddings):
        raise InputError(
            f"--ranks: rank {max(wanted)} is larger than the gallery of {len(enrolled.embeddings)} rows"
        )
    searches = search_galleries(
        searched.embeddings,
        searched.labels,
        {"gallery": (enrolled.embeddings, enrolled.labels)},
        per_template=per_template,
    )
    result = evaluate_identification(searches, targets, wanted, rank_rule=rank_rule)
    settings = {"per_template": per_template}
    report_identification(result, {"gallery": gallery, "probes": probes}, settings, json_path, plots)
