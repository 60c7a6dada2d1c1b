"""Which format a path holds, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fr_models.data.dataset import Dataset
from fr_models.data.folders import FolderDataset
from fr_models.data.recordio import RecordIODataset

__all__ = ["format_of", "open_dataset"]

EXPECTED = (
    "expected a folder of class folders, a .rec, .tfrecord, .npz or .npy file, or a folder that holds one"
)


def open_dataset(path: str | Path) -> Dataset:
    """Open images of people in whatever format they are.

    Parameters
    ----------
    path : str or Path
        A folder of class folders; a ``.rec`` file or its folder.

    Returns
    -------
    Dataset
        Nothing of TensorFlow is imported to read it.

    Raises
    ------
    ValueError
        If it is none of these formats, or several at once, or damaged.

    Examples
    --------
    >>> dataset = open_dataset("faces")  # doctest: +SKIP
    >>> len(dataset), len(dataset.class_names)  # doctest: +SKIP
    (600, 60)
    """
    name, place = format_of(Path(path))
    return READERS[name](place)


def format_of(path: Path) -> tuple[str, Path]:
    """Tell the format of a dataset, and the file or folder to read."""
    if path.is_file():
        if path.suffix in SUFFIXES:
            return SUFFIXES[path.suffix], path
        raise ValueError(f"{path}: not a dataset: {EXPECTED}")
    if not path.is_dir():
        raise ValueError(f"{path}: no such file or folder")
    found = _in_folder(path)
    if not found:
        raise ValueError(f"{path}: not a dataset: {EXPECTED}")
    if len(found) > 1:
        names = ", ".join(place.name or str(place) for _, place in found)
        raise ValueError(f"{path}: several datasets, name one of them: {names}")
    return found[0]


READERS: dict[str, Callable[[Path], Dataset]] = {"folders": FolderDataset, "recordio": RecordIODataset}
SUFFIXES = {".rec": "recordio"}


def _in_folder(folder: Path) -> list[tuple[str, Path]]:
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    found = [("recordio", entry) for entry in visible if entry.suffix == ".rec" and entry.is_file()]
    if any(entry.is_dir() for entry in visible):
        found.append(("folders", folder))
    return found
