"""MXNet's RecordIO in InsightFace's layout: ``train.rec``, ``train.idx``, ``train.lst`` and ``property``.

Record 0 holds two numbers, n + 1 and n + 1 + classes: records 1 to n are images, those from n + 1 say for
each class which images are its. Where these ranges tile the images, and the labels at both ends of each agree
(or one end is damaged), labels come from there; otherwise from the head of each record.
`RecordIODataset.read` compares an image's own label with it. Plain files of ``im2rec``, without a record 0,
and files without ``.idx`` are read too, by a scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from fr_models.data import _recordio, _recordio_index
from fr_models.data._classes import checked_labels, names_of_folders, read_class_names
from fr_models.data._reading import PositionalFile, not_empty, stamp_of
from fr_models.data._recordio_index import Damage, Integers
from fr_models.data.damage import CorruptRecord, Place
from fr_models.data.dataset import Dataset

__all__ = ["RecordIODataset"]

MOST_CLASSES = 1 << 24  # labels are float32


class RecordIODataset(Dataset):
    """Images of a ``.rec`` file, read at random without MXNet.

    Parameters
    ----------
    path : Path
        The ``.rec`` file; ``.idx`` and ``.lst`` of the same name, ``property`` and ``classes.txt`` beside it
        are used where they are there.
    skip_damage : bool
        Leave out records that are missing, or so corrupt that their labels are not known, and name them in
        ``damage``.

    Raises
    ------
    ValueError
        If a record that tells labels is damaged or cut short, ``.idx`` does not fit, labels are no classes.
    """

    def __init__(self, path: Path, skip_damage: bool = False) -> None:
        self.path = Path(path)
        self._file = PositionalFile(self.path)
        damage: Damage = [] if skip_damage else None
        index = self.path.with_suffix(".idx")
        if index.is_file():
            keys, offsets = _recordio_index.read_index(index, self._file, damage)
        else:
            keys, offsets = _recordio_index.scan_index(self._file, damage)
        corrupt = [record.place.offset for record in damage or () if record.place.path == self.path]
        self._begins = np.unique(np.append(offsets, [*corrupt, self._file.size]))
        self._keys, self._offsets, labels = self._labelled(keys, offsets, damage)
        self.class_names = self._names(labels, is_whole=not damage)
        self.labels = checked_labels(labels, len(self.class_names), str(path))
        self.damage = tuple(damage or ())

    def read(self, index: int) -> bytes:
        """Give the image of a record."""
        place = Place(self.path, int(self._offsets[index]), int(self._keys[index]))
        following = int(self._begins[np.searchsorted(self._begins, place.offset, side="right")])
        try:
            record = _recordio.read_record(self._file, place.offset, following)
        except CorruptRecord as corrupt:
            raise CorruptRecord(place, corrupt.reason) from None
        head, image = _recordio.split_record(record, place)
        if head.labels[0] != self.labels[index]:
            raise CorruptRecord(place, f"its label is {head.labels[0]:g}, expected {self.labels[index]}")
        return not_empty(image, self.name(index))

    def name(self, index: int) -> str:
        """File and key of the record."""
        return f"{self.path}: record {self._keys[index]}"

    def stamp(self) -> str:
        """Of the records, and of the index that says where they begin."""
        return stamp_of([self.path, self.path.with_suffix(".idx")])

    def _labelled(
        self, keys: Integers, offsets: Integers, damage: Damage
    ) -> tuple[Integers, Integers, Integers]:
        """Give keys, offsets and labels of the images: by ranges where these are whole, else by heads."""
        found = None
        try:
            found = self._by_ranges(keys, offsets)
        except CorruptRecord:
            if damage is None:
                raise
        return found or self._by_heads(keys, offsets, damage)

    def _by_ranges(self, keys: Integers, offsets: Integers) -> tuple[Integers, Integers, Integers] | None:
        """Labels by the ranges of the classes, or None where there are none or they do not fit."""
        order = np.argsort(keys)
        keys, offsets = keys[order], offsets[order]
        first = _recordio.read_head(self._file, int(offsets[0]))
        if keys[0] != 0 or not first.records:
            return None
        images, end = int(first.labels[0]) - 1, first.records
        if not 0 < images < end or len(keys) != end or keys[-1] != end - 1:
            return None
        labels = np.empty(images, np.int64)
        begin = 1
        for offset in offsets[images + 1 :].tolist():
            head = _recordio.read_head(self._file, offset)
            if len(head.labels) != 2 or head.has_image or head.labels[0] != begin:
                return None
            if not np.isfinite(head.labels[1]):
                return None
            stop = int(head.labels[1])
            if not begin <= stop <= images + 1:
                return None
            if stop > begin:
                ends = self._readable_labels(offsets[[begin, stop - 1]])
                if len(ends) != 1:
                    return None
                labels[begin - 1 : stop - 1] = ends.pop()
            begin = stop
        if begin != images + 1:
            return None
        return keys[1 : images + 1], offsets[1 : images + 1], labels

    def _by_heads(
        self, keys: Integers, offsets: Integers, damage: Damage
    ) -> tuple[Integers, Integers, Integers]:
        """Labels by the head of each record that is an image."""
        labels = np.full(len(keys), -1, np.int64)
        is_image = np.zeros(len(keys), bool)
        for position, (key, offset) in enumerate(zip(keys.tolist(), offsets.tolist(), strict=True)):
            try:
                head = _recordio.read_head(self._file, offset)
                if head.has_image or not head.is_list:
                    labels[position] = self._class_of(head, offset)
                    is_image[position] = True
            except CorruptRecord as corrupt:
                if damage is None:
                    raise corrupt.numbered(key) from None
                damage.append(corrupt.numbered(key))
        if not is_image.any():
            if not damage:
                raise ValueError(f"{self.path}: no images")
            first = min(damage, key=lambda corrupt: corrupt.place.offset)
            raise CorruptRecord(first.place, f"{first.reason}; no image of the file can be read")
        return keys[is_image], offsets[is_image], labels[is_image]

    def _readable_labels(self, offsets: Integers) -> set[int]:
        """Labels of records; the damaged ones among them are named when they are read."""
        labels = set()
        for offset in offsets.tolist():
            with suppress(ValueError):
                labels.add(self._class_of(_recordio.read_head(self._file, offset), offset))
        return labels

    def _class_of(self, head: _recordio.Head, offset: int) -> int:
        labels = head.labels
        if not labels or not 0 <= labels[0] < MOST_CLASSES or labels[0] != int(labels[0]):
            got = f"{labels[0]:g}" if labels else "none"
            reason = f"expected a class number as label, got {got}"
            raise CorruptRecord(Place(self.path, offset), reason)
        return int(labels[0])

    def _names(self, labels: Integers, is_whole: bool) -> list[str]:
        named = read_class_names(self.path.parent)
        classes = _classes_of_property(self.path.with_name("property"))
        if named is not None:
            if classes not in (None, len(named)):
                raise ValueError(
                    f"{self.path.with_name('property')}: {classes} classes, {len(named)} in classes.txt"
                )
            return named
        count = classes if classes is not None else int(labels.max()) + 1
        known = dict(zip(self._keys.tolist(), labels.tolist(), strict=True))
        return names_of_folders(_read_list(self.path.with_suffix(".lst"), known, is_whole), count)


def _classes_of_property(path: Path) -> int | None:
    """Read the first number of ``classes,height,width``."""
    if not path.is_file():
        return None
    fields = path.read_bytes().strip().split(b",")
    if len(fields) != 3 or not all(field.strip().isdigit() for field in fields) or int(fields[0]) == 0:
        raise ValueError(f"{path}: expected 'classes,height,width', got {path.read_bytes()[:40]!r}")
    return int(fields[0])


def _read_list(path: Path, known: dict[int, int], is_whole: bool) -> Iterator[tuple[int, str]]:
    """Give label and path of each line ``key<tab>label<tab>path``; no path if these are of other records.

    Where not all records are known, a line about another one is believed.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            try:
                key, label = int(fields[0]), int(float(fields[1]))
                its_label = known[key] if is_whole else known.get(key, label)
                yield label, fields[2] if its_label == label else ""
            except (IndexError, KeyError, ValueError, OverflowError):
                yield 0, ""
