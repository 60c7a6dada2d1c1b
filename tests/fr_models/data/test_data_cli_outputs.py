"""What fr-data refuses to write, before it works: over a folder, into the dataset, twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.distillation import embed_dataset, write_embeddings
from fr_models.data.selection import Selection, write_selection

from tests.commands import Run
from tests.fr_models.data.datasets import files_below

OUTPUTS = [
    (["info", "faces", "--json", "OUTPUT"], "json"),
    (["check", "faces", "--json", "OUTPUT"], "json"),
    (["check", "faces", "--csv", "OUTPUT"], "csv"),
    (["check", "faces", "--select", "OUTPUT"], "npz"),
    (["split", "faces", "--by", "image", "--share", "0.5", "--train", "OUTPUT", "--test", "b.npz"], "npz"),
    (["split", "faces", "--by", "image", "--share", "0.5", "--train", "a.npz", "--test", "OUTPUT"], "npz"),
    (["drop", "t.npy", "--centers", "c.npy", "-o", "OUTPUT"], "npz"),
    (["drop", "t.npy", "--centers", "c.npy", "-o", "x.npz", "--json", "OUTPUT"], "json"),
    (["drop", "t.npy", "--centers", "c.npy", "-o", "x.npz", "--csv", "OUTPUT"], "csv"),
    (["distill", "faces", "--model", "net.onnx", "-o", "OUTPUT"], "npy"),
]
IDS = [" ".join([arguments[0], arguments[arguments.index("OUTPUT") - 1]]) for arguments, _ in OUTPUTS]


Refused = Callable[[list[str], str], str]


@pytest.fixture
def refused(run: Run) -> Refused:
    """Take arguments and an output; give the only line, so that no progress comes before it."""
    dataset = open_dataset("faces")
    write_embeddings(Path("t.npy"), dataset, Path("faces"), [np.ones((18, 4), np.float32)], {})

    def call(arguments: list[str], output: str) -> str:
        before = files_below(Path())
        code, out, err = run(*(output if argument == "OUTPUT" else argument for argument in arguments))
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert files_below(Path()) == before
        return err.removeprefix("fr-data: ").rstrip()

    return call


@pytest.mark.parametrize(("arguments", "suffix"), OUTPUTS, ids=IDS)
def test_no_place_for_a_file(refused: Refused, arguments: list[str], suffix: str) -> None:
    output = f"t.npy/x.{suffix}"
    message = f"{output}: cannot be written: t.npy is no folder to write to"
    assert refused(arguments, output) == message


@pytest.mark.parametrize(("arguments", "suffix"), OUTPUTS, ids=IDS)
def test_a_folder_where_a_file_belongs(refused: Refused, arguments: list[str], suffix: str) -> None:
    output = f"dd.{suffix}"
    Path(output).mkdir()
    option = {"-o": "--output"}.get(given := arguments[arguments.index("OUTPUT") - 1], given)
    message = f"{option}: {output} exists, expected a new name"
    if suffix in ("csv", "json"):
        message = f"{output}: expected a file to write, not a folder"
    assert refused(arguments, output) == message


@pytest.mark.parametrize(("arguments", "suffix"), OUTPUTS, ids=IDS)
def test_outputs_inside_the_dataset(refused: Refused, arguments: list[str], suffix: str) -> None:
    """They would be a class, or a second dataset, or lie among the images of one."""
    for inside in ("faces/x", "faces/name_01/x", "faces/new/x", "t/../faces/x"):
        message = f"{inside}.{suffix}: lies in faces, the dataset's folder, expected a place outside it"
        assert refused(arguments, f"{inside}.{suffix}") == message


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_a_table_over_the_dataset(refused: Refused, option: str) -> None:
    write_selection(Path("some.npz"), Selection(open_dataset("faces"), [0, 3]), Path("faces"))
    message = "some.npz: is the dataset, expected another file"
    assert refused(["check", "some.npz", option, "OUTPUT"], "some.npz") == message


def test_two_outputs_of_one_name(refused: Refused) -> None:
    message = "r: expected a file of its own for each output"
    assert refused(["check", "faces", "--csv", "OUTPUT", "--json", "faces/../r"], "r") == message
    split = ["split", "faces", "--by", "image", "--share", "0.5", "--train", "OUTPUT", "--test", "./a.npz"]
    assert refused(split, "a.npz") == "a.npz: expected a file of its own for each output"


def test_functions_refuse_outputs_inside_the_dataset(run: Run) -> None:
    dataset = open_dataset("faces")
    message = "lies in faces, the dataset's folder, expected a place outside it"
    with pytest.raises(ValueError, match=message):
        write_selection(Path("faces/x.npz"), Selection(dataset, [0]), Path("faces"))
    with pytest.raises(ValueError, match=message):
        embed_dataset(dataset, Path("faces"), lambda images: images, Path("faces/x.npy"))
