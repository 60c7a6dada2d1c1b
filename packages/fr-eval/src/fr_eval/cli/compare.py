"""``fr-eval compare``: several results in one table and overlaid plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fr_eval.cli._options import JsonFile
from fr_eval.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    results: Annotated[list[Path], typer.Argument(help="JSON files that the other commands wrote.")],
    plots: Annotated[Path | None, typer.Option("--plots", help="Folder for the overlaid plots.")] = None,
    json_path: JsonFile = None,
) -> None:
    """Compare results of one kind: verification with verification, identification with identification."""
    from fr_eval.provenance import provenance, write_json

    systems = _load(results)
    tasks = {result["task"] for result in systems.values()}
    if len(tasks) > 1:
        raise InputError("compare: expected results of one kind, got verification and identification")
    try:
        rows = {name: _figures(result) for name, result in systems.items()}
        _print(rows)
        if plots is not None:
            _plot(systems, tasks.pop(), plots)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"compare: a file is not a whole result of fr-eval: {error!r}") from None
    if json_path is not None:
        write_json(
            json_path,
            {"systems": rows, **provenance(dict(zip(rows, results, strict=True)), {})},
        )


def _load(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Read results by name: the file's stem, or its path where stems repeat."""
    stems = [path.stem for path in paths]
    systems = {}
    for path in paths:
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise InputError(f"{path}: not JSON, expected a result of fr-eval") from None
        if not isinstance(result, dict) or result.get("task") not in ("verification", "identification"):
            raise InputError(f"{path}: expected a result of fr-eval verify, bin, ijb or identify")
        systems[path.stem if stems.count(path.stem) == 1 else str(path)] = result
    if len(systems) < len(paths):
        raise InputError("compare: a file is named twice")
    return systems


def _figures(result: dict[str, Any]) -> dict[str, float]:
    """Return the figures of one system by heading."""
    figures: dict[str, float] = {}
    if result["task"] == "verification":
        folds = next((key for key in result if key.startswith("accuracy_") and key.endswith("fold")), None)
        if folds is not None:
            figures[folds.replace("_", " ")] = result[folds]["mean"]
        figures |= {"EER": result["eer"]["value"], "AUC": result["auc"]}
        return figures | {f"TAR@FAR={p['far']:.0e}": p["tar"] for p in result["tar_at_far"]}
    mean = result["mean"]
    figures = {f"rank {rank}": value for rank, value in mean["rank"].items()}
    return figures | {f"TPIR@FPIR={p['fpir']:g}": p["tpir"] for p in mean["tpir_at_fpir"]}


def _print(rows: dict[str, dict[str, float]]) -> None:
    from fr_eval.command_line import console
    from fr_eval.tables import plain_table

    headings = list(dict.fromkeys(heading for figures in rows.values() for heading in figures))
    table = plain_table()
    table.add_column("system")
    for heading in headings:
        table.add_column(heading.replace("=", "\n"), justify="right")
    for name, figures in rows.items():
        table.add_row(name, *(f"{figures[h]:.4%}" if h in figures else "-" for h in headings))
    console().print(table)


def _plot(systems: dict[str, dict[str, Any]], task: str, folder: Path) -> None:
    import numpy as np

    from fr_eval.curves import CmcCurve, DirCurve, RocCurve
    from fr_eval.plots import plot_cmc, plot_det, plot_dir, plot_roc, save_figure

    def arrays(values: dict[str, list[float]], *names: str) -> list[Any]:
        return [np.array(values[name], dtype=np.float64) for name in names]

    if task == "verification":
        curves = {
            name: RocCurve(*arrays(result["roc"], "threshold", "far", "tar"))
            for name, result in systems.items()
        }
        save_figure(plot_roc(curves), folder / "roc.png")
        save_figure(plot_det(curves), folder / "det.png")
        return
    dir_curves, cmc_curves = {}, {}
    for system, result in systems.items():
        for gallery, found in result["galleries"].items():
            name = system if len(result["galleries"]) == 1 else f"{system} {gallery}"
            dir_curves[name] = DirCurve(*arrays(found["dir"], "threshold", "fpir", "tpir"))
            cmc_curves[name] = CmcCurve(np.arange(1, len(found["cmc"]) + 1), np.array(found["cmc"]))
    save_figure(plot_dir(dir_curves), folder / "dir.png")
    save_figure(plot_cmc(cmc_curves), folder / "cmc.png")
