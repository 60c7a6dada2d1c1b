"""``fr-eval verify``: a list of pairs over an embedding set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._options import (
    FARS,
    Fars,
    Folds,
    Grid,
    JsonFile,
    Pca,
    PlotFolder,
    ThresholdRule,
    numbers,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    embeddings: Annotated[Path, typer.Option(help="Embedding set (.npz) with filenames.")],
    pairs: Annotated[Path, typer.Option(help="Pair list: LFW's pairs.txt, or lines '1|0 image image'.")],
    far: Fars = FARS,
    threshold_rule: ThresholdRule = "conservative",
    folds: Folds = 10,
    pca: Pca = None,
    grid: Grid = "exact",
    json_path: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Evaluate pairs of images: 10-fold accuracy, EER, AUC and TAR at FAR."""
    import fr_native

    from fr_eval.embeddings import EmbeddingSet
    from fr_eval.protocols.pairs import read_pairs
    from fr_eval.reports import report_pairs

    targets = numbers(far, "--far")
    pair_list = read_pairs(pairs)
    embedding_set = EmbeddingSet.load(embeddings)
    first, second = embedding_set.rows_of(pair_list.first), embedding_set.rows_of(pair_list.second)
    rows = embedding_set.embeddings
    report_pairs(
        fr_native.pair_scores(rows, first, second),
        pair_list.is_same,
        fars=targets,
        rule=threshold_rule,
        folds=folds if pair_list.folds is None else pair_list.folds,
        grid=grid,
        pca=pca,
        pair_embeddings=(rows[first], rows[second]),
        inputs={"embeddings": embeddings, "pairs": pairs},
        settings={},
        json_path=json_path,
        plot_folder=plots,
    )
