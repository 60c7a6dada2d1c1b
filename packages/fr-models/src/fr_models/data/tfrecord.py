"""TFRecord: shards of Examples, and ``tfrecord.json`` and ``tfrecord.npy`` beside them.

An Example holds ``image/encoded``, ``image/format``, ``image/class/label`` and ``image/class/text``. The JSON
file holds the class names, the number of classes and of images, and of each shard its file, its length in
bytes and its images; the other one, an int64 array ``[2, images]``, where each record begins in its shard and
its label. So records are read at random, and a missing or shorter shard is noticed at once. Without the JSON
file all records are scanned, and ``image_raw`` with ``label``, as Keras_insightface names them, are read too.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from fr_eval.files import replacing
from fr_eval.protocols.folders import by_numbers

from fr_models._files import write_json
from fr_models.data import _tfrecord
from fr_models.data._classes import checked_class_names, checked_labels, shown
from fr_models.data._reading import PositionalFile, not_empty, stamp_of
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile
from fr_models.data.dataset import Dataset

__all__ = ["TFRecordDataset"]

SIDECAR, PLACES = "tfrecord.json", "tfrecord.npy"
IMAGE, LABEL, CLASS_NAME, FORMAT = "image/encoded", "image/class/label", "image/class/text", "image/format"
KEYS = ((IMAGE, LABEL), ("image_raw", "label"))
OPEN_SHARDS = 256  # a process may often have 1,024 files


class Index(NamedTuple):
    """Where the samples are: the shard of each, its number and its offset there, and its label."""

    shards: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    class_names: list[str]


class TFRecordDataset(Dataset):
    """Images of one ``.tfrecord`` file, or of all in a folder.

    Parameters
    ----------
    path : Path
    skip_damage : bool
        Leave out records that are corrupt or missing, and name them in ``damage``.

    Raises
    ------
    ValueError
        If a shard is missing, damaged or of another length than ``tfrecord.json`` says, that file is not what
        `write_index` writes, or, without it, a record is damaged or no Example of an image.
    """

    def __init__(self, path: Path, skip_damage: bool = False) -> None:
        self.path = Path(path)
        damage: list[CorruptRecord] | None = [] if skip_damage else None
        names, sizes, index = self._described() or (self._found(), [], None)
        folder = self.path if self.path.is_dir() else self.path.parent
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"{folder}: no file {missing[0]}")
        self._paths = [folder / name for name in names]
        self._opened = lru_cache(OPEN_SHARDS)(PositionalFile)  # a dropped one stays open while it is read
        if index is None:
            index = scan_index(self._paths, damage)
        else:
            index = _of_whole_shards(index, self._paths, sizes, damage)
        self.class_names = index.class_names
        self.labels = checked_labels(index.labels, len(index.class_names), str(path))
        self._shards, self._numbers, self._offsets = index.shards, index.numbers, index.offsets
        self.damage = tuple(damage or ())

    def read(self, index: int) -> bytes:
        """Give the image of an Example, its checksums and its label compared."""
        place = self._place(index)
        try:
            record, _ = _tfrecord.read_record(self._opened(place.path), place.offset)
        except CorruptRecord as corrupt:
            raise CorruptRecord(place, corrupt.reason) from None
        image, label, _ = _sample(record, place)
        if label != self.labels[index]:
            raise CorruptRecord(place, f"its label is {label}, expected {self.labels[index]}")
        return not_empty(image, str(place))

    def name(self, index: int) -> str:
        """File of the record, its number there, and where it begins."""
        return str(self._place(index))

    def stamp(self) -> str:
        """Of all shards, and of what says where their records begin."""
        return stamp_of([*self._paths, self._paths[0].with_name(PLACES)])

    def _place(self, index: int) -> Place:
        path = self._paths[self._shards[index]]
        return Place(path, int(self._offsets[index]), int(self._numbers[index]))

    def _described(self) -> tuple[list[str], list[int], Index] | None:
        """Read ``tfrecord.json``, if it is there and about this file or folder."""
        is_folder = self.path.is_dir()
        sidecar = (self.path if is_folder else self.path.parent) / SIDECAR
        if not sidecar.is_file():
            return None
        names, sizes, index = read_index(sidecar)
        if not is_folder and self.path.name not in names:
            return None
        if not is_folder and len(names) > 1:
            raise ValueError(
                f"{self.path}: one of {len(names)} shards that {sidecar} describes: open its folder"
            )
        others = sorted(set(self._found()) - set(names)) if is_folder else []
        if others:
            raise ValueError(f"{sidecar}: does not describe {shown(others)}, which lies beside it")
        return names, sizes, index

    def _found(self) -> list[str]:
        if not self.path.is_dir():
            return [self.path.name]
        names = [file.name for file in self.path.glob("*.tfrecord")]
        if not names:
            raise ValueError(f"{self.path}: no *.tfrecord files")
        return sorted(names, key=by_numbers)


def scan_index(paths: list[Path], damage: list[CorruptRecord] | None = None) -> Index:
    """Read all records of all files to learn where they are, and what they are.

    With a list, what is damaged is put there; without one it is raised.
    """
    shards, numbers, offsets, labels = [], [], [], []
    texts: dict[int, set[str]] = {}
    for shard, path in enumerate(paths):
        for number, offset, record in _tfrecord.scan(PositionalFile(path), damage):
            try:
                _, label, text = _sample(record, Place(path, offset, number))
            except CorruptRecord as corrupt:
                if damage is None:
                    raise
                damage.append(corrupt)
                continue
            shards.append(shard)
            numbers.append(number)
            offsets.append(offset)
            labels.append(label)
            texts.setdefault(label, set()).add(text)
    if not labels:
        raise damage[0] if damage else ValueError(f"{paths[0]}: no records")
    if min(labels) < 0:
        raise ValueError(f"{paths[0].parent}: expected class numbers as labels, got {min(labels)}")
    columns = [np.array(column, np.int64) for column in (shards, numbers, offsets, labels)]
    return Index(columns[0], columns[1], columns[2], columns[3], _names_of_texts(texts))


def write_index(folder: Path, index: Index, files: list[str]) -> None:
    """Write ``tfrecord.npy`` and ``tfrecord.json``."""
    with replacing(folder / PLACES) as temporary:
        np.save(temporary, np.stack([index.offsets, index.labels]).astype("<i8"), allow_pickle=False)
    images = np.bincount(index.shards, minlength=len(files)).tolist()
    shards = [
        {"file": name, "bytes": (folder / name).stat().st_size, "images": count}
        for name, count in zip(files, images, strict=True)
    ]
    fields = {
        "class_names": index.class_names,
        "classes": len(index.class_names),
        "total": len(index.labels),
        "shards": shards,
    }
    write_json(folder / SIDECAR, fields)


def read_index(path: Path) -> tuple[list[str], list[int], Index]:
    """Read ``tfrecord.json`` and ``tfrecord.npy``: files, their lengths, and where the samples are."""
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))
        names = [str(shard["file"]) for shard in fields["shards"]]
        sizes = [int(shard["bytes"]) for shard in fields["shards"]]
        counts = [int(shard["images"]) for shard in fields["shards"]]
        class_names = [str(name) for name in fields["class_names"]]
        classes, images = int(fields["classes"]), int(fields["total"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ValueError(f"{path}: not the JSON that describes a TFRecord dataset, or cut short") from None
    found = (len(checked_class_names(class_names, str(path))), sum(counts))
    if found != (classes, images) or min(counts, default=0) < 0:
        raise ValueError(
            f"{path}: {found[0]} class names and shards of {found[1]} images, "
            f"expected {classes} classes and {images} images"
        )
    offsets, labels = _read_places(path.with_name(PLACES), images)
    if any(Path(name).name != name for name in names):
        raise ValueError(f"{path}: expected names of files in this folder, got {', '.join(names)}")
    shards = np.repeat(np.arange(len(names)), counts)
    numbers = np.arange(images) - np.repeat(np.cumsum([0, *counts[:-1]]), counts)
    return names, sizes, Index(shards, numbers, offsets, labels, class_names)


def _read_places(path: Path, images: int) -> npt.NDArray[np.int64]:
    """Read where the records begin, and their labels."""
    try:
        places = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever its bytes spell
        raise ValueError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if places.dtype != np.int64 or places.shape != (2, images):
        raise ValueError(f"{path}: expected int64 [2, {images}], got {places.dtype} {list(places.shape)}")
    return places


def _of_whole_shards(
    index: Index, paths: list[Path], sizes: list[int], damage: list[CorruptRecord] | None
) -> Index:
    """Refuse shards of other lengths than the index says, or leave out the records that they lack."""
    keep = np.ones(len(index.labels), bool)
    for shard, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        found = path.stat().st_size
        if found == size:
            continue
        what = "changed" if found > size else "cut short or changed"
        reason = f"{found} bytes, expected {size}: {what}"
        if damage is None:
            raise ValueError(f"{path}: {reason}")
        if found > size:
            damage.append(CorruptRecord(Place(path, size), reason))
            continue
        rows = np.flatnonzero(index.shards == shard)
        ends = np.append(index.offsets[rows][1:], size)[: len(rows)]
        lost = rows[ends > found]
        keep[lost] = False
        first, number = (
            (int(index.offsets[lost[0]]), int(index.numbers[lost[0]])) if lost.size else (size, None)
        )
        reason += f", {len(lost)} of its {len(rows)} records are missing"
        damage.append(TruncatedFile(Place(path, first, number), reason))
    if damage and not keep.any():
        raise damage[0]
    shards, numbers = index.shards[keep], index.numbers[keep]
    return Index(shards, numbers, index.offsets[keep], index.labels[keep], index.class_names)


def _sample(record: bytes, place: Place) -> tuple[bytes, int, str]:
    """Give image, label and class name (or nothing) of a record."""
    features = _tfrecord.decode_example(record, place)
    for image_key, label_key in KEYS:
        image, label = features.get(image_key), features.get(label_key)
        if isinstance(image, bytes) and isinstance(label, int):
            text = features.get(CLASS_NAME)
            return image, label, text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    found = ", ".join(sorted(features)) or "none"
    raise CorruptRecord(place, f"expected the features {IMAGE} and {LABEL}, got {found}")


def _names_of_texts(texts: dict[int, set[str]]) -> list[str]:
    """Name classes as their images do where each says one name, else by numbers."""
    classes = max(texts) + 1
    names = [text for label in range(classes) for text in texts.get(label, ())]
    is_named = len(names) == classes == len(set(names)) == len(texts) and all(names)
    return names if is_named else [str(label) for label in range(classes)]
