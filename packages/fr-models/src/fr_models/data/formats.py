"""Which format a path holds, and the reader of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fr_models.data._arrays import array_names
from fr_models.data._digest import fingerprint_of
from fr_models.data.dataset import Dataset
from fr_models.data.distill_tfrecord import DistillTFRecordDataset, is_distill_tfrecord
from fr_models.data.distillation import DistillationDataset, read_sidecar
from fr_models.data.folders import FolderDataset
from fr_models.data.npz import NpzDataset
from fr_models.data.recordio import RecordIODataset
from fr_models.data.selection import Selection, read_selection
from fr_models.data.tfrecord import PLACES, TFRecordDataset

__all__ = ["format_of", "open_damaged", "open_dataset"]

MOST_SOURCES = 16
EXPECTED = (
    "expected a folder of class folders, a .rec, .tfrecord, .npz or .npy file, or a folder that holds one"
)


def open_dataset(path: str | Path) -> Dataset:
    """Open images of people in whatever format they are.

    Parameters
    ----------
    path : str or Path
        A folder of class folders; a ``.rec`` file or its folder; a folder of ``.tfrecord`` files, or one
        such file, also a teacher's of Keras_insightface; a ``.npz`` file of Keras_insightface or of a
        selection; the ``.npy`` file of a teacher's embeddings.

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
    return _opened(Path(path), MOST_SOURCES)


def open_damaged(path: str | Path) -> Dataset:
    """Open what is left of a dataset whose records are corrupt or missing, to check or to rescue it.

    Parameters
    ----------
    path : str or Path
        As in `open_dataset`.

    Returns
    -------
    Dataset
        Its attribute ``damage`` names every record that is left out. Records whose labels are known are
        not: `Dataset.read` refuses those of them that are corrupt.

    Raises
    ------
    ValueError
        If nothing can be read, or what describes the records is damaged.
    """
    return _opened(Path(path), MOST_SOURCES, skip_damage=True)


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


READERS: dict[str, Callable[[Path], Dataset]] = {"folders": FolderDataset, "npz": NpzDataset}
RECORD_READERS: dict[str, Callable[[Path, bool], Dataset]] = {
    "recordio": RecordIODataset,
    "tfrecord": TFRecordDataset,
}
SUFFIXES = {".rec": "recordio", ".tfrecord": "tfrecord", ".npz": "npz", ".npy": "embeddings"}


def _opened(path: Path, sources: int, skip_damage: bool = False) -> Dataset:
    """Open a dataset, and what it is made of: at most so many datasets deep."""
    if sources == 0:
        raise ValueError(f"{path}: a selection or embeddings of a dataset that leads back to itself")
    dataset = _opened_as(*format_of(path), sources, skip_damage)
    if path.is_dir():
        dataset.folders = (*dataset.folders, path)
    return dataset


def _opened_as(name: str, place: Path, sources: int, skip_damage: bool) -> Dataset:
    if name == "embeddings":
        sidecar = read_sidecar(place)
        return DistillationDataset(place, _opened(sidecar.dataset, sources - 1), sidecar)
    if name == "npz" and "source" in array_names(place):
        source, numbers, class_names, fingerprint = read_selection(place)
        # It may have been made to leave out what is damaged; other damage gives another fingerprint.
        whole = _opened(source, sources - 1, skip_damage=True)
        if fingerprint_of(whole) != fingerprint:
            if whole.damage:
                raise whole.damage[0]
            raise ValueError(f"{place}: selected from other images, labels or classes than {source} has now")
        return Selection(whole, numbers["rows"], numbers["labels"], class_names)
    if name == "tfrecord" and place.is_file() and is_distill_tfrecord(place):
        return DistillTFRecordDataset(place, skip_damage)
    if name in RECORD_READERS:
        return RECORD_READERS[name](place, skip_damage)
    return READERS[name](place)


def _in_folder(folder: Path) -> list[tuple[str, Path]]:
    """List what a folder may be; all shards of TFRecord are one dataset."""
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in visible if entry.suffix in SUFFIXES and entry.is_file()]
    has_shards = any(file.suffix == ".tfrecord" for file in files)
    found = [
        (SUFFIXES[file.suffix], file)
        for file in files
        if file.suffix != ".tfrecord" and not (has_shards and file.name == PLACES)
    ]
    if has_shards:
        found.append(("tfrecord", folder))
    if any(entry.is_dir() for entry in visible):
        found.append(("folders", folder))
    return found
