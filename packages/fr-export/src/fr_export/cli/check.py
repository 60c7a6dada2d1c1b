"""``fr-export check``: what exported files lost, on faces and pairs of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from fr_eval.errors import InputError

from fr_export.cli._options import PACKAGES

if TYPE_CHECKING:
    from fr_eval.protocols import PairList

    from fr_export.formats import Format
    from fr_export.parity import Embeddings
    from fr_export.parity_result import Judged, Parity


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    source: Annotated[Path, typer.Argument(help="The model before: .keras, .onnx, .tflite or a SavedModel.")],
    exported: Annotated[list[Path], typer.Argument(help="The same after, in other forms.")],
    images: Annotated[Path, typer.Option("--images", help="The folder that the pairs' names are below.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="LFW's pairs.txt, or lines '1|0 image image'.")],
    min_cosine: Annotated[
        float, typer.Option("--min-cosine", help="The least cosine to the source that an image may have.")
    ] = 0.99,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for parity.json and parity.png.")
    ] = None,
) -> None:
    """Compare EXPORTED files with SOURCE: embeddings of each image, and verification before and after.

    Ends with exit code 1 if an image's cosine is below --min-cosine. A run that was killed goes on where it
    was, if it was given -o.
    """
    from fr_eval.command_line import quiet_tensorflow
    from fr_eval.model_files import check_writable
    from fr_eval.protocols import read_pairs

    from fr_export._labels import labels
    from fr_export.bench import SUFFIXES
    from fr_export.formats import formats
    from fr_export.parity import PairTest, compare

    if not -1.0 <= min_cosine <= 1.0:
        raise InputError(f"--min-cosine: expected a cosine from -1 to 1, got {min_cosine}")
    exported = list(dict.fromkeys(exported))
    test = PairTest(read_pairs(pairs), str(pairs))
    if output is not None:
        check_writable(output)
    if not all(model.suffix in SUFFIXES for model in (source, *exported)):
        quiet_tensorflow()
    with ExitStack() as stack:
        work = output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = [source, *exported]
        partials = [work / f"{model.name}.{position}.partial" for position, model in enumerate(models)]
        source_rows, *exported_rows = _embedded(models, partials, images, test.names)
    before = test.judge(source_rows)
    parities = [
        compare(model, test, source_rows, before, rows)
        for model, rows in zip(exported, exported_rows, strict=True)
    ]
    names = labels(exported)
    for parity in parities:
        _print(names[parity.path], parity, min_cosine)
    _warn_of_strangers(source, before, test.pairs)
    table = formats(parities)
    if len(table) > 1:
        _print_formats(source, table)
    if output is not None:
        told = _provenance(source, exported, images, test.names, pairs)
        _write(source, table, min_cosine, told, output)
        for partial in partials:
            shutil.rmtree(partial)
    if any(parity.min_cosine < min_cosine for parity in parities):
        raise typer.Exit(1)


def _embedded(models: list[Path], partials: list[Path], images: Path, names: list[str]) -> list[Embeddings]:
    """Embed the images by each model, with its folder of unfinished work; all models load before that."""
    from fr_eval.command_line import progress_bar
    from fr_eval.embedders import load_embedder

    from fr_export.parity import embedded

    rows = []
    embedders = [load_embedder(model) for model in models]
    for model, embedder, partial in zip(models, embedders, partials, strict=True):
        with progress_bar(f"embed by {model.name}") as progress:
            rows.append(embedded(model, embedder, images, names, partial, progress))
    return rows


def _warn_of_strangers(source: Path, before: Judged, pairs: PairList) -> None:
    from fr_eval.command_line import console

    from fr_export.parity import tells_faces_apart

    if tells_faces_apart(before, pairs):
        return
    console().print(
        f"warning: {source.name} does not tell faces apart (AUC {before.verification.auc:.3f}, mean "
        f"cosine of impostor pairs {before.scores[~pairs.is_same].mean():.3f}): has it been trained? "
        "Its exports' cosines say little.",
        soft_wrap=True,
    )


def _print(name: str, parity: Parity, min_cosine: float) -> None:
    from fr_eval.command_line import console

    from fr_export.cli._console import plain_table

    out = console()
    passed = parity.min_cosine >= min_cosine
    out.print(
        f"{name}: {'pass' if passed else 'FAIL'}: cosine to the source over "
        f"{len(parity.cosines):,} images: min {parity.min_cosine:.6f} ({parity.worst_image}; wanted "
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
        change, rate = point.tar_change, point.at_source_threshold
        table.add_row(
            f"TAR at FAR {point.before.far:g}",
            f"{point.before.tar:.4f}",
            f"{point.after.tar:.4f}",
            f"{change.value:+.4f}",
            f"{change.low:+.4f} to {change.high:+.4f}",
            f"{point.before.threshold:.3f}, {point.after.threshold:.3f}",
            rate.note() if rate.count == 0 else f"{rate.count} of {rate.total}" + " (few)" * rate.few,
            point.verdict,
        )
    out.print(table)


def _print_formats(source: Path, rows: Sequence[Format]) -> None:
    from fr_eval.command_line import console

    from fr_export._files import size_of
    from fr_export._labels import labels
    from fr_export.cli._console import plain_table
    from fr_export.formats import smaller_but_slower

    table = plain_table("file", "kind", "MB", "ms", "mean cosine", "accuracy", "change", left=2)
    names = labels(row.path for row in rows)
    accuracy = rows[0].parity.before.kfold.accuracy.mean
    table.add_row(source.name, "source", f"{size_of(source) / 1e6:.3f}", "-", "1", f"{accuracy:.4f}", "")
    for row in rows:
        table.add_row(
            names[row.path],
            row.kind,
            f"{row.size_bytes / 1e6:.3f}",
            "-" if row.latency_ms is None else f"{row.latency_ms:.2f}",
            f"{row.parity.mean_cosine:.6f}",
            f"{row.parity.after.kfold.accuracy.mean:.4f}",
            f"{row.parity.accuracy_change.value:+.4f}",
        )
    out = console()
    out.print(table)
    for note in smaller_but_slower(rows):
        out.print(note, soft_wrap=True)


def _provenance(
    source: Path, exported: Sequence[Path], images: Path, names: Sequence[str], pairs: Path
) -> dict[str, Any]:
    from fr_eval.provenance import machine, provenance, sha256_of_files

    inputs = {"source": source, "pairs": pairs}
    inputs |= {f"exported_{position}": path for position, path in enumerate(exported)}
    told = provenance(inputs, {}, PACKAGES)
    told["inputs"]["images"] = {
        "file": images.name,
        "n_images": len(names),
        "sha256": sha256_of_files(images, names),
    }
    return {"machine": machine(), **told}


def _write(
    source: Path, rows: Sequence[Format], min_cosine: float, told: dict[str, Any], folder: Path
) -> None:
    from fr_eval.provenance import write_json

    from fr_export._labels import labels
    from fr_export.formats import smaller_but_slower
    from fr_export.parity_plot import plot_parity

    before, names = rows[0].parity.before, labels(row.path for row in rows)
    write_json(
        folder / "parity.json",
        {
            "task": "parity",
            "source": {"accuracy": before.kfold.to_json(), "verification": before.verification.to_json()},
            "exported": [
                {**row.to_json(), "file": names[row.path], "passed": row.parity.min_cosine >= min_cosine}
                for row in rows
            ],
            "notes": smaller_but_slower(rows),
            **told,
            "settings": {"min_cosine": min_cosine},
        },
    )
    plot_parity(source.name, rows, folder / "parity.png")
