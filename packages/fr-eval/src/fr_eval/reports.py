"""From results to tables, JSON and plots: the common end of commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.identification_result import IdentificationResult
from fr_eval.kfold import KFoldResult, kfold_accuracy, kfold_accuracy_pca
from fr_eval.provenance import provenance, write_json
from fr_eval.tables import print_identification, print_verification
from fr_eval.verification import VerificationResult, evaluate_verification


def report_pairs(
    scores: NDArray[np.float32],
    is_same: NDArray[np.bool_],
    *,
    fars: Iterable[float],
    rule: str,
    folds: NDArray[np.int64] | int,
    grid: str = "exact",
    pca: int | None = None,
    pair_embeddings: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    inputs: Mapping[str, Path],
    settings: Mapping[str, Any],
    json_path: Path | None,
    plot_folder: Path | None = None,
) -> None:
    """Evaluate a list of pairs in folds, print, and write what was asked for."""
    result = evaluate_verification(scores[is_same], scores[~is_same], fars, rule)
    kfold = kfold_accuracy(scores, is_same, folds, grid)
    with_pca = None
    if pca is not None and pair_embeddings is not None:
        with_pca = kfold_accuracy_pca(*pair_embeddings, is_same, pca, folds, grid)
    print_verification(result, kfold)
    n_folds = len(kfold.accuracy.folds)
    payload: dict[str, Any] = {f"accuracy_{n_folds}fold": kfold.to_json()}
    if with_pca is not None:
        _print_pca(with_pca)
        payload[f"accuracy_{n_folds}fold_pca"] = with_pca.to_json()
    settings = {"threshold_rule": rule, "folds": n_folds, "grid": grid, "pca": pca, **settings}
    write_verification(result, payload, inputs, settings, json_path, plot_folder)


def write_verification(
    result: VerificationResult,
    extra: Mapping[str, Any],
    inputs: Mapping[str, Path],
    settings: Mapping[str, Any],
    json_path: Path | None,
    plot_folder: Path | None,
) -> None:
    """Write the JSON file and the plots of a verification result."""
    settings = {"eer": result.eer.method, **settings}
    if json_path is not None:
        write_json(
            json_path, {"task": "verification", **extra, **result.to_json(), **provenance(inputs, settings)}
        )
    if plot_folder is not None:
        from fr_eval.plots import plot_det, plot_roc, plot_scores, save_figure

        thresholds = {f"FAR {p.far:g}": p.threshold for p in result.operating_points}
        save_figure(plot_roc({"system": result.curve}), plot_folder / "roc.png")
        save_figure(plot_det({"system": result.curve}), plot_folder / "det.png")
        save_figure(plot_scores(result.density, thresholds), plot_folder / "scores.png")


def report_identification(
    result: IdentificationResult,
    inputs: Mapping[str, Path],
    settings: Mapping[str, Any],
    json_path: Path | None,
    plot_folder: Path | None,
) -> None:
    """Print an identification result, and write the JSON file and the plots."""
    print_identification(result)
    settings = {"threshold_rule": result.threshold_rule, "rank_rule": result.rank_rule, **settings}
    if json_path is not None:
        write_json(json_path, {"task": "identification", **result.to_json(), **provenance(inputs, settings)})
    if plot_folder is not None:
        from fr_eval.plots import plot_cmc, plot_dir, save_figure

        dir_curves = {name: gallery.dir_curve for name, gallery in result.galleries.items()}
        cmc_curves = {name: gallery.cmc for name, gallery in result.galleries.items()}
        save_figure(plot_dir(dir_curves), plot_folder / "dir.png")
        save_figure(plot_cmc(cmc_curves), plot_folder / "cmc.png")


def _print_pca(result: KFoldResult) -> None:
    from fr_eval.command_line import console

    accuracy = result.accuracy
    console().print(
        f"{len(accuracy.folds)}-fold accuracy {accuracy.mean:.4f}, standard deviation {accuracy.std:.4f}"
        f" with PCA to {result.pca} dimensions"
    )
