"""Which format a path holds, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fr_models.data._arrays import array_names
from fr_models.data._digest import fingerprint_of
from fr_models.data.dataset import Dataset
from fr_models.data.distillation import DistillationDataset, read_sidecar
from fr_models.data.folders import FolderDataset
from fr_models.data.npz import NpzDataset
from fr_models.data.recordio import RecordIODataset
from fr_models.data.selection import Selection, read_selection
from fr_models.data.tfrecord import TFRecordDataset

__all__ = ["format_of", "open_dataset"]

EXPECTED = (
    "expected a folder of class folders, a .rec, .tfrecord, .npz or .npy file, or a folder that holds one"
)


def open_dataset(path: str | Path) -> Dataset:
    """Open images of people in whatever format they are.

    Parameters
    ----------
    path : str or Path
        A folder of class folders; a ``.rec`` file or its folder; a folder of ``.tfrecord`` files, or one of
        them; a ``.npz`` file of Keras_insightface or of a selection; the ``.npy`` file of a teacher's
        embeddings.

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
    try:
        return READERS[name](place)
    except RecursionError:
        raise ValueError(
            f"{path}: a selection or embeddings of a dataset that leads back to itself"
        ) from None


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


def _open_npz(path: Path) -> Dataset:
    """Open a list of files, or a selection of another dataset."""
    if "source" not in array_names(path):
        return NpzDataset(path)
    place, numbers, class_names, fingerprint = read_selection(path)
    source = open_dataset(place)
    if fingerprint_of(source) != fingerprint:
        raise ValueError(f"{path}: selected from other images, labels or classes than {place} has now")
    return Selection(source, numbers["rows"], numbers["labels"], class_names)


def _open_embeddings(path: Path) -> Dataset:
    sidecar = read_sidecar(path)
    return DistillationDataset(path, open_dataset(sidecar.dataset), sidecar)


READERS: dict[str, Callable[[Path], Dataset]] = {
    "folders": FolderDataset,
    "recordio": RecordIODataset,
    "tfrecord": TFRecordDataset,
    "npz": _open_npz,
    "embeddings": _open_embeddings,
}
SUFFIXES = {".rec": "recordio", ".tfrecord": "tfrecord", ".npz": "npz", ".npy": "embeddings"}


def _in_folder(folder: Path) -> list[tuple[str, Path]]:
    """List what a folder may be; all shards of TFRecord are one dataset."""
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in visible if entry.suffix in SUFFIXES and entry.is_file()]
    found = [(SUFFIXES[file.suffix], file) for file in files if file.suffix != ".tfrecord"]
    if any(file.suffix == ".tfrecord" for file in files):
        found.append(("tfrecord", folder))
    if any(entry.is_dir() for entry in visible):
        found.append(("folders", folder))
    return found
