"""Arguments that several commands share, and what is refused of them before the work begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from fr_eval.cli._options import JsonFile, writable_file
from fr_eval.errors import ParameterError

if TYPE_CHECKING:
    from fr_models.data.dataset import Dataset

__all__ = ["CsvFile", "DataPath", "JsonFile", "expect_apart", "given_as", "new_file"]

DataPath = Annotated[
    Path,
    typer.Argument(help="Class folders, .rec, .tfrecord, .npz, .npy, or a folder that holds one of them."),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", help="Write the table to this file.", callback=writable_file)
]


@contextmanager
def given_as(option: str, parameter: str) -> Iterator[None]:
    """Let an error of a parameter be that of the option, of another name, that it was given as."""
    try:
        yield
    except ParameterError as error:
        if error.parameter != parameter:
            raise
        raise ParameterError(option, error.reason) from None


def new_file(path: Path, suffix: str, option: str) -> None:
    """Refuse a file that exists, has another suffix or cannot be written."""
    if path.suffix != suffix:
        raise ValueError(f"{option}: expected a {suffix} file, got {path}")
    if path.exists():
        raise ValueError(f"{option}: {path} exists, expected a new name")
    writable_file(path)


def expect_apart(dataset: Dataset, data: Path, *outputs: Path | None) -> None:
    """Refuse outputs that would change the dataset, or write over one another."""
    given = [output for output in outputs if output is not None]
    for output in given:
        if output.resolve() == data.resolve():
            raise ValueError(f"{output}: is the dataset, expected another file")
        if sum(other.resolve() == output.resolve() for other in given) > 1:
            raise ValueError(f"{output}: expected a file of its own for each output")
        dataset.expect_outside(output)
