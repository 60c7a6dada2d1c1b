"""Keys and offsets of a ``.rec`` file's records: those of its ``.idx`` file, or by a scan.

Where InsightFace's record 0 tells how many there are, fewer are a fault. Each function takes a list for what
is damaged: with one, records that are corrupt or missing are put there and left out; without one they are
raised.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fr_models.data import _recordio
from fr_models.data._reading import PositionalFile
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile, count_missing

Integers = npt.NDArray[np.int64]
Damage = list[CorruptRecord] | None
MOST_KEYS = 1 << 63
MOST_COUNTED = 1 << 24  # of records, whose number is float32 in record 0


def read_index(path: Path, file: PositionalFile, damage: Damage) -> tuple[Integers, Integers]:
    """Read keys and offsets from ``.idx``; those of a tail that either file has lost are damage."""
    keys, offsets = _read_lines(path)
    is_lost = offsets >= file.size
    wrong = np.flatnonzero((offsets < 0) | (offsets % 4 != 0) | (is_lost & (damage is None)))
    if wrong.size:
        raise ValueError(
            f"{path}: {wrong.size} offsets where no record can be, the first is {offsets[wrong[0]]} of "
            f"record {keys[wrong[0]]}: expected multiples of 4 below {file.size}, the length of the .rec file"
        )
    lost_lines = _lost_lines(path, file, keys, offsets)
    if damage is None:
        if lost_lines is not None:
            raise lost_lines
        return keys, offsets
    if lost_lines is not None:
        damage.append(lost_lines)
    is_last = offsets == offsets[~is_lost].max(initial=-1)
    if is_last.any() and _recordio.is_cut(file, int(offsets[is_last][0])):
        is_lost |= is_last
    if is_lost.any():
        first = int(np.where(is_lost, offsets, np.iinfo(np.int64).max).argmin())
        count = f"{is_lost.sum()} of the {len(keys)} records of {path.name}"
        place = Place(file.path, int(offsets[first]), int(keys[first]))
        damage.append(TruncatedFile(place, f"cut short at byte {file.size}: {count} are missing"))
    if is_lost.all():
        raise damage[0]
    return keys[~is_lost], offsets[~is_lost]


def scan_index(file: PositionalFile, damage: Damage) -> tuple[Integers, Integers]:
    """Find the records of a file, and the key of each in its head."""
    offsets: dict[int, int] = {}
    for offset in _recordio.scan(file, damage):
        try:
            key = _recordio.read_head(file, offset).key
            if key >= MOST_KEYS or key in offsets:
                twin = f", that of the record at byte {offsets[key]}" if key in offsets else ""
                raise CorruptRecord(Place(file.path, offset), f"its key is {key}{twin}")
            offsets[key] = offset
        except CorruptRecord as corrupt:
            if damage is None:
                raise
            damage.append(corrupt)
    if not offsets:
        raise damage[0] if damage else ValueError(f"{file.path}: no records")
    found = [] if damage is None else damage
    if 0 in offsets:
        expected = _counted(file, offsets[0])
        last, begin = next(reversed(offsets.items()))
        is_tail_lost = last + 1 < expected and all(one.place.offset < begin for one in found)
        count_missing(found, Place(file.path, file.size), expected, len(offsets), is_tail_lost)
    if damage is None and found:
        raise found[0]
    return np.array([*offsets], np.int64), np.array([*offsets.values()], np.int64)


def _counted(file: PositionalFile, offset: int) -> int:
    """Return how many records record 0 tells; 0 where it does not, or of more than it can count."""
    records = _recordio.read_head(file, offset).records
    return records if records <= MOST_COUNTED else 0


def _lost_lines(path: Path, file: PositionalFile, keys: Integers, offsets: Integers) -> TruncatedFile | None:
    """Return what is wrong with an index that ends, at the end of a line, before its records do."""
    records = 0
    if np.array_equal(np.sort(keys), np.arange(len(keys))):
        with suppress(CorruptRecord):  # which is named when labels are read
            records = _counted(file, int(offsets[keys == 0][0]))
    if records <= len(keys):
        return None
    reason = f"{len(keys)} of {records} records: cut short"
    return TruncatedFile(Place(path, path.stat().st_size), reason)


def _read_lines(path: Path) -> tuple[Integers, Integers]:
    """Read lines ``key<tab>offset``."""
    lines = path.read_bytes().splitlines()
    try:
        table = np.array([line.split() for line in lines]).astype(np.int64).reshape(len(lines), 2)
    except ValueError:
        raise ValueError(f"{path}: expected lines 'key offset' of whole numbers") from None
    if not lines:
        raise ValueError(f"{path}: empty, expected lines 'key offset'")
    keys, offsets = table.T
    different, counts = np.unique(keys, return_counts=True)
    if len(different) < len(keys):
        raise ValueError(f"{path}: two records have the key {different[counts.argmax()]}")
    return keys, offsets
