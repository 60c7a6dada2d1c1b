"""``fr-eval allpairs``: every pair of an embedding set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._options import Fars, JsonFile, rates

_FARS = "1e-4,1e-5,1e-6,1e-7"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(allpairs)


def allpairs(
    embeddings: Annotated[Path, typer.Option(help="Embedding set (.npz) with labels.")],
    far: Fars = _FARS,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File from which a killed run goes on; removed at the end.")
    ] = None,
    json_path: JsonFile = None,
) -> None:
    """Count all n (n - 1) / 2 pairs of a set: TAR at exact FAR thresholds."""
    import fr_native
    import numpy as np

    from fr_eval.command_line import console, progress_bar
    from fr_eval.embeddings import EmbeddingSet
    from fr_eval.errors import InputError
    from fr_eval.intervals import Rate
    from fr_eval.provenance import provenance, write_json
    from fr_eval.tables import operating_points_table
    from fr_eval.verification import OperatingPoint

    targets = rates(far, "--far")
    embedding_set = EmbeddingSet.load(embeddings)
    if embedding_set.labels is None:
        raise InputError(f"{embeddings}: no labels, expected an array 'labels' of integers")
    if len(np.unique(embedding_set.labels)) == len(embedding_set.labels):
        raise InputError(f"{embeddings}: every label is there once: no genuine pairs")
    try:
        with progress_bar("pairs") as progress:
            found = fr_native.all_pairs(
                embedding_set.embeddings,
                embedding_set.labels,
                targets,
                checkpoint=checkpoint,
                progress=progress,
            )
    except ValueError as error:
        of_checkpoint = checkpoint is not None and str(error).startswith(str(checkpoint))
        raise InputError(str(error) if of_checkpoint else f"{embeddings}: {error}") from None
    assert isinstance(found, fr_native.AllPairs)
    n_genuine, n_impostor = int(found.n_genuine[0]), int(found.n_impostor[0])
    points = [
        OperatingPoint(
            float(found.fars[i]),
            float(found.thresholds[i]),
            "conservative",
            Rate(int(found.true_accepts[i]), n_genuine),
            Rate(int(found.false_accepts[i]), n_impostor),
        )
        for i in range(len(targets))
    ]
    console().print(operating_points_table("All pairs", n_genuine, n_impostor, points))
    if json_path is not None:
        result = {
            "task": "all pairs",
            "n_genuine": n_genuine,
            "n_impostor": n_impostor,
            "tar_at_far": [point.to_json() for point in points],
        }
        settings = {"threshold_rule": "conservative"}
        write_json(json_path, {**result, **provenance({"embeddings": embeddings}, settings)})
