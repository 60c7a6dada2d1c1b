"""Keys and offsets of a ``.rec`` file's records: those of its ``.idx`` file, or by a scan.

Each function takes a list for what is damaged: with one, records that are corrupt or missing are put there
and left out; without one they are raised.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fr_models.data import _recordio
from fr_models.data._reading import PositionalFile
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile, count_missing

Integers = npt.NDArray[np.int64]
Damage = list[CorruptRecord] | None
MOST_KEYS = 1 << 63


def read_index(path: Path, file: PositionalFile, damage: Damage) -> tuple[Integers, Integers]:
    """Read keys and offsets from ``.idx``; those of a tail that the ``.rec`` file has lost are damage."""
    keys, offsets = _read_lines(path)
    is_lost = offsets >= file.size
    wrong = np.flatnonzero((offsets < 0) | (offsets % 4 != 0) | (is_lost & (damage is None)))
    if wrong.size:
        raise ValueError(
            f"{path}: {wrong.size} offsets where no record can be, the first is {offsets[wrong[0]]} of "
            f"record {keys[wrong[0]]}: expected multiples of 4 below {file.size}, the length of the .rec file"
        )
    if damage is None:
        return keys, offsets
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
    """Find the records of a file, and the key of each in its head.

    InsightFace's record 0 tells how many there must be.
    """
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
        expected = _recordio.read_head(file, offsets[0]).records
        count_missing(found, Place(file.path, file.size), expected, len(offsets))
    if damage is None and found:
        raise found[0]
    return np.array([*offsets], np.int64), np.array([*offsets.values()], np.int64)


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
