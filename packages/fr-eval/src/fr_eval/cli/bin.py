"""``fr-eval bin``: LFW-style ``.bin`` files: evaluate, build, extract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fr_eval.cli._models import Colour, Flip, Model, Offset, Scale, Size
from fr_eval.cli._options import FARS, Fars, Folds, Grid, JsonFile, Pca, PlotFolder, ThresholdRule, numbers

BinFile = Annotated[Path, typer.Argument(help="A .bin file; its pickle is read without being run.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(no_args_is_help=True, help="LFW-style .bin files: evaluate, build, extract.")
    for command in (evaluate, build, extract):
        commands.command()(command)
    app.add_typer(commands, name="bin")


def evaluate(
    file: BinFile,
    model: Model,
    flip: Flip = False,
    size: Size = None,
    scale: Scale = None,
    offset: Offset = None,
    colour: Colour = None,
    far: Fars = FARS,
    threshold_rule: ThresholdRule = "conservative",
    folds: Folds = 10,
    pca: Pca = None,
    grid: Grid = "exact",
    json_path: JsonFile = None,
    plots: PlotFolder = None,
) -> None:
    """Evaluate a network on the pairs of a .bin file."""
    import tempfile

    import fr_native
    import numpy as np

    from fr_eval.cli._models import open_embedder
    from fr_eval.command_line import progress_bar
    from fr_eval.embed import ImageSource, describe_embedder, embed_images
    from fr_eval.images import decode_image
    from fr_eval.protocols.bins import read_bin
    from fr_eval.provenance import sha256_of
    from fr_eval.reports import report_pairs

    targets = numbers(far, "--far")
    pairs = read_bin(file)
    embedder = open_embedder(model, size, scale, offset, colour)
    names = [f"{file}: image {position}" for position in range(len(pairs.images))]
    source = ImageSource(
        names, lambda i: decode_image(pairs.images[i], names[i]), {"bin_sha256": sha256_of(file)}
    )
    with tempfile.TemporaryDirectory() as partial, progress_bar("embed") as progress:
        rows = embed_images(source, embedder, Path(partial), flip=flip, progress=progress)
    first, second = np.arange(0, len(rows), 2), np.arange(1, len(rows), 2)
    report_pairs(
        fr_native.pair_scores(rows, first, second),
        pairs.is_same,
        fars=targets,
        rule=threshold_rule,
        folds=folds,
        grid=grid,
        pca=pca,
        pair_embeddings=(rows[first], rows[second]),
        inputs={"bin": file, "model": model},
        settings={"flip": flip, **describe_embedder(embedder)},
        json_path=json_path,
        plot_folder=plots,
    )


def build(
    folder: Annotated[Path, typer.Argument(help="The images that the pair list names.")],
    pairs: Annotated[Path, typer.Option(help="Pair list: LFW's pairs.txt, or lines '1|0 image image'.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .bin file to write.")],
    json_path: JsonFile = None,
) -> None:
    """Pack the image files of a pair list, unchanged, into a .bin file."""
    from fr_eval.command_line import console
    from fr_eval.embed import ImageSource
    from fr_eval.protocols.bins import write_bin
    from fr_eval.protocols.pairs import read_pairs
    from fr_eval.provenance import provenance, write_json

    pair_list = read_pairs(pairs)
    names = [name for pair in zip(pair_list.first, pair_list.second, strict=True) for name in pair]
    source = ImageSource.of_files(folder, names)
    for position in range(len(names)):
        source.load(position)
    write_bin(output, [(folder / name).read_bytes() for name in names], pair_list.is_same)
    console().print(f"{len(pair_list.is_same):,} pairs: {output}")
    if json_path is not None:
        figures = {"task": "bin build", "n_pairs": len(pair_list.is_same)}
        write_json(json_path, {**figures, **provenance({"pairs": pairs, "output": output}, {})})


def extract(
    file: BinFile,
    folder: Annotated[Path, typer.Argument(help="New folder of images and pairs.txt.")],
    json_path: JsonFile = None,
) -> None:
    """Unpack a .bin file: its images as they are, and a list of its pairs."""
    from fr_eval.command_line import console
    from fr_eval.errors import InputError
    from fr_eval.protocols.bins import read_bin
    from fr_eval.provenance import provenance, write_json

    pairs = read_bin(file)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty, expected a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i // 2:06d}_{'ab'[i % 2]}{_suffix(image)}" for i, image in enumerate(pairs.images)]
    for name, image in zip(names, pairs.images, strict=True):
        (folder / name).write_bytes(image)
    lines = (f"{int(same)} {names[2 * p]} {names[2 * p + 1]}\n" for p, same in enumerate(pairs.is_same))
    (folder / "pairs.txt").write_text("".join(lines))
    console().print(f"{len(pairs.is_same):,} pairs: {folder}")
    if json_path is not None:
        figures = {"task": "bin extract", "n_pairs": len(pairs.is_same)}
        write_json(json_path, {**figures, **provenance({"bin": file}, {})})


def _suffix(image: bytes) -> str:
    """Return the file suffix that an image's first bytes tell."""
    first_bytes = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"BM": ".bmp", b"RIFF": ".webp"}
    return next((suffix for start, suffix in first_bytes.items() if image.startswith(start)), ".img")
