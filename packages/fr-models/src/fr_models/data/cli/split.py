"""``fr-data split``: training and test images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from fr_eval.command_line import console

from fr_models.data.cli._options import DataPath, expect_apart, given_as, new_file

if TYPE_CHECKING:
    from fr_models.data.dataset import Dataset
    from fr_models.data.selection import Selection

VISIBLE = 0.01


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(split)


def split(
    data: DataPath,
    train: Annotated[Path, typer.Option("--train", help="The selection (.npz) of training images to write.")],
    test: Annotated[Path, typer.Option("--test", help="The selection (.npz) of test images to write.")],
    by: Annotated[
        str | None, typer.Option("--by", help="identity: people on one side only; image: all on both sides.")
    ] = None,
    share: Annotated[float | None, typer.Option("--share", help="Share of the test side.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed gives another split.")] = 0,
    pairs: Annotated[
        Path | None,
        typer.Option("--pairs", help="LFW's pairs.txt: the people of test folds become the test side."),
    ] = None,
    test_folds: Annotated[
        str | None, typer.Option("--test-folds", help="Folds of the pair list, from 1: such as 8,9,10.")
    ] = None,
) -> None:
    """Split a dataset by identity, by image, or by the people of a pair list's folds.

    No image is copied: the two files say which images of the dataset are theirs. fr-data convert turns them
    into any format.
    """
    from fr_models.data.formats import open_dataset
    from fr_models.data.selection import write_selection

    for path, option in ((train, "--train"), (test, "--test")):
        new_file(path, ".npz", option)
    dataset = open_dataset(data)
    expect_apart(dataset, data, train, test)
    if pairs is not None:
        if by is not None or share is not None or test_folds is None:
            raise ValueError("--pairs: expected --test-folds with it, and neither --by nor --share")
        sides = _by_pairs(dataset, pairs, test_folds)
    else:
        if by is None or share is None or test_folds is not None:
            raise ValueError("split: expected --by and --share, or --pairs and --test-folds")
        sides = _by_share(dataset, by, share, seed)
    for side, path in zip(sides, (train, test), strict=True):
        write_selection(path, side, data)
        people = len(set(side.labels.tolist()))
        console().print(f"{len(side):,} images of {people:,} people: {path}", soft_wrap=True)
    if by is not None and share is not None and abs((got := _share_got(by, *sides)) - share) >= VISIBLE:
        what = "people" if by == "identity" else "images"
        console().print(f"share of {what} on the test side: asked for {share:g}, got {got:.2g}")


def _by_share(dataset: Dataset, by: str, share: float, seed: int) -> tuple[Selection, Selection]:
    from fr_models.data.split import split_identities, split_images

    ways = {"identity": split_identities, "image": split_images}
    if by not in ways:
        raise ValueError(f"--by: expected identity or image, got {by!r}")
    with given_as("share", "test_share"):
        return ways[by](dataset, share, seed)


def _share_got(by: str, train: Selection, test: Selection) -> float:
    """Share of the people, or of the images, that are on the test side."""
    sides = [set(side.labels.tolist()) if by == "identity" else side for side in (train, test)]
    return len(sides[1]) / (len(sides[0]) + len(sides[1]))


def _by_pairs(dataset: Dataset, pairs: Path, test_folds: str) -> tuple[Selection, Selection]:
    from fr_eval.protocols.pairs import read_pairs

    from fr_models.data.split import people_of_folds, split_by_people

    try:
        folds = [int(fold) for fold in test_folds.split(",")]
    except ValueError:
        raise ValueError(
            f"--test-folds: expected whole numbers separated by commas, got {test_folds!r}"
        ) from None
    with given_as("test_folds", "folds"):
        people = people_of_folds(read_pairs(pairs), folds)
    return split_by_people(dataset, people)
