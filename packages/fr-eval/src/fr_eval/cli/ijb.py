"""``fr-eval ijb``: IJB-B and IJB-C, or any set in their layout, 1:1 and 1:N."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fr_eval.cli._models import Colour, Flip, Offset, Scale, Size
from fr_eval.cli._options import (
    FARS,
    FPIRS,
    RANKS,
    Fars,
    Fpirs,
    JsonFile,
    PlotFolder,
    Ranks,
    ThresholdRule,
    numbers,
    whole_numbers,
)
from fr_eval.errors import InputError

if TYPE_CHECKING:
    from fr_eval.embedders import Embedder
    from fr_eval.protocols.ijb import IjbLayout
    from fr_eval.templates import Templates

TASKS = ("11", "1n")


@dataclass(frozen=True)
class Rules:
    """How images are weighted and thresholds chosen."""

    threshold: str
    eer: str
    normalise_features: bool
    detector_weight: bool


# The rules behind the tables that these projects publish.
COMPAT = {
    "insightface": {
        "11": Rules("nearest", "midpoint", False, True),
        "1n": Rules("ijb", "midpoint", False, True),
    },
    "keras": {
        "11": Rules("nearest", "interpolated", False, True),
        "1n": Rules("ijb", "interpolated", False, True),
    },
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ijb)


def ijb(
    folder: Annotated[Path, typer.Argument(help="Folder of the meta files.")],
    prefix: Annotated[str, typer.Option(help="What the meta files' names begin with: ijbc, ijbb, ...")],
    task: Annotated[str, typer.Option(help="11 (verification) or 1n (open-set identification).")],
    embeddings: Annotated[Path | None, typer.Option(help="Embedding set of the images.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Network, with --images instead of --embeddings.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images that the meta files name.")
    ] = None,
    aligned: Annotated[bool, typer.Option(help="The images are crops already: do not align them.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Keep the network's embeddings in this .npz file.")
    ] = None,
    flip: Flip = False,
    size: Size = None,
    scale: Scale = None,
    offset: Offset = None,
    colour: Colour = None,
    normalise_features: Annotated[
        bool | None, typer.Option(help="Give every image unit norm first (default: yes; with --compat: no).")
    ] = None,
    detector_weight: Annotated[
        bool | None, typer.Option(help="Weight images by detector score (default: no; with --compat: yes).")
    ] = None,
    compat: Annotated[
        str | None, typer.Option(help="Rules of published tables: insightface or keras.")
    ] = None,
    threshold_rule: ThresholdRule = "conservative",
    far: Fars = FARS,
    fpir: Fpirs = FPIRS,
    ranks: Ranks = RANKS,
    json_path: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Aggregate images to templates and evaluate them, 1:1 or 1:N."""
    from fr_eval._validate import one_of
    from fr_eval.protocols.ijb import IjbLayout
    from fr_eval.templates import aggregate_templates

    one_of(task, TASKS, "--task")
    rules = _rules(task, compat, threshold_rule, normalise_features, detector_weight)
    if (embeddings is None) == (model is None or images is None):
        raise InputError("ijb: expected either --embeddings, or --model and --images")
    targets, wanted = numbers(far if task == "11" else fpir, "targets"), whole_numbers(ranks, "--ranks")
    layout = IjbLayout.read(folder, prefix)
    if embeddings is not None:
        rows, inputs = _load_rows(layout, embeddings), {"embeddings": embeddings}
    else:
        assert model is not None and images is not None
        from fr_eval.cli._models import open_embedder

        embedder = open_embedder(model, size, scale, offset, colour)
        rows, inputs = _embed_rows(layout, embedder, images, aligned, flip, save), {"model": model}
    templates = aggregate_templates(
        rows,
        layout.templates,
        layout.media,
        detector_score=layout.detector_score if rules.detector_weight else None,
        normalise_features=rules.normalise_features,
    )
    settings = {"protocol": prefix, "task": task, "compat": compat, "flip": flip, **asdict(rules)}
    output = Output({**_meta_files(layout, task), **inputs}, settings, json_path, plots)
    if task == "11":
        _verification(layout, templates, targets, rules, output)
    else:
        _identification(layout, templates, targets, wanted, rules, output)


@dataclass(frozen=True)
class Output:
    """Where the result goes and what is said about its origin."""

    inputs: dict[str, Path]
    settings: dict[str, Any]
    json_path: Path | None
    plots: Path | None


def _rules(
    task: str,
    compat: str | None,
    threshold_rule: str,
    normalise_features: bool | None,
    detector_weight: bool | None,
) -> Rules:
    """Return the rules of ``--compat``, or the defaults; explicit weighting options win over both."""
    from fr_eval._validate import one_of

    rules = Rules(threshold_rule, "midpoint", True, False)
    if compat is not None:
        rules = COMPAT[one_of(compat, tuple(COMPAT), "--compat")][task]
    if normalise_features is not None:
        rules = replace(rules, normalise_features=normalise_features)
    return rules if detector_weight is None else replace(rules, detector_weight=detector_weight)


def _load_rows(layout: IjbLayout, path: Path) -> Any:
    from fr_eval.embeddings import EmbeddingSet

    embedding_set = EmbeddingSet.load(path)
    return embedding_set.embeddings[layout.rows_in(embedding_set)]


def _embed_rows(
    layout: IjbLayout, embedder: Embedder, images: Path, aligned: bool, flip: bool, save: Path | None
) -> Any:
    """Align and embed the images of the layout; unfinished work is kept beside ``save``."""
    import numpy as np

    from fr_eval.alignment import align_face
    from fr_eval.command_line import progress_bar, stoppable
    from fr_eval.embed import ImageSource, embed_images, remove_partial
    from fr_eval.embeddings import EmbeddingSet
    from fr_eval.locks import written_alone

    files = ImageSource.of_files(images, layout.names)
    source = files
    if not aligned:
        source = ImageSource(
            files.names,
            lambda i: align_face(files.load(i), layout.landmarks[i]),
            {**files.description, "aligned": "five landmarks"},
        )
    target = save or Path(f"{layout.prefix}_embeddings.npz")
    partial = target.with_name(target.name + ".partial")
    with stoppable("fr-eval", partial), written_alone(target):
        with progress_bar("embed") as progress:
            rows = embed_images(source, embedder, partial, flip=flip, progress=progress)
        if save is not None:
            EmbeddingSet(rows, np.array(layout.names), layout.templates, layout.media).save(save)
        remove_partial(partial)
    return rows


def _meta_files(layout: IjbLayout, task: str) -> dict[str, Path]:
    names = ["face_tid_mid.txt", "name_5pts_score.txt"]
    if task == "11":
        names.append("template_pair_label.txt")
    else:
        names += ["1N_probe_mixed.csv"] + [f"1N_gallery_{name}.csv" for name in layout.galleries()]
    return {name: layout.folder / f"{layout.prefix}_{name}" for name in names}


def _verification(
    layout: IjbLayout, templates: Templates, fars: tuple[float, ...], rules: Rules, output: Output
) -> None:
    import fr_native

    from fr_eval.kfold import kfold_accuracy
    from fr_eval.reports import write_verification
    from fr_eval.tables import print_verification
    from fr_eval.verification import evaluate_verification

    pairs = layout.pairs()
    first = templates.rows_of(pairs.first, "template pairs")
    second = templates.rows_of(pairs.second, "template pairs")
    scores = fr_native.pair_scores(templates.embeddings, first, second)
    genuine, impostor = scores[pairs.is_same], scores[~pairs.is_same]
    result = evaluate_verification(genuine, impostor, fars, rules.threshold, rules.eer)
    try:
        kfold = kfold_accuracy(scores, pairs.is_same)
    except InputError:  # a protocol that lists one class after the other has no such folds
        kfold = None
    print_verification(result, kfold)
    extra = {"accuracy_10fold": kfold.to_json() if kfold else None}
    settings = {"threshold_rule": rules.threshold, **output.settings}
    write_verification(result, extra, output.inputs, settings, output.json_path, output.plots)


def _identification(
    layout: IjbLayout,
    templates: Templates,
    fpirs: tuple[float, ...],
    ranks: tuple[int, ...],
    rules: Rules,
    output: Output,
) -> None:
    from fr_eval.identification import evaluate_identification
    from fr_eval.openset import search_galleries
    from fr_eval.reports import report_identification

    probes = layout.probes()
    galleries = {}
    for name, enrolled in layout.galleries().items():
        rows = templates.rows_of(enrolled.templates, f"gallery {name}")
        galleries[name] = (templates.embeddings[rows], enrolled.subjects)
    searched = templates.embeddings[templates.rows_of(probes.templates, "probes")]
    searches = search_galleries(searched, probes.subjects, galleries)
    result = evaluate_identification(searches, fpirs, ranks, rules.threshold)
    report_identification(result, output.inputs, output.settings, output.json_path, output.plots)
