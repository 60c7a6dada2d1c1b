"""RecordIO: the bytes of MXNet's record files, as dmlc-core writes them.

A record is one part or several. A part is the magic number, a word whose upper 3 bits say which part it is
(0: the whole record, 1: the first, 2: a middle one, 3: the last) and whose lower 29 bits are its length, and
its bytes, filled up with zeros to a multiple of 4. Where a record holds the magic number itself, at a
multiple of 4, it is cut in two and the number left out. An image record begins with flag (uint32), label
(float32), id and id2 (uint64); a flag n above 0 means that n labels (float32) follow. All is little-endian.

So a magic number at a multiple of 4 always begins a part, and reading can go on behind a corrupt record at
the next that begins a whole record or a first part.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from fr_models.data._reading import PositionalFile
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_PART = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_HEAD_BYTES = 64  # of a record with one label, or a few, and of its frame
_LENGTH_BITS = 29
_MOST_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_SEARCHED_BYTES = 1 << 20
_MOST_CORRUPT_IN_A_ROW = 16


class Head(NamedTuple):
    """What an image record says before its image."""

    labels: tuple[float, ...]
    key: int
    is_list: bool
    has_image: bool

    @property
    def records(self) -> int:
        """How many records its file has, if it is InsightFace's record 0 (two numbers, no image); else 0."""
        is_pair = self.is_list and not self.has_image and len(self.labels) == 2
        return int(self.labels[1]) if is_pair and all(map(math.isfinite, self.labels)) else 0


def read_record(file: PositionalFile, offset: int, next_offset: int) -> bytes:
    """Read the record that begins at ``offset``; the next one known begins, or the file ends, at another.

    Where a record ends is the only check that its length has.
    """
    record, end = _joined(file, offset)
    if end != next_offset and not _part_begins(file, end):
        raise CorruptRecord(Place(file.path, offset), f"this record ends at byte {end}, where none begins")
    return record


def read_head(file: PositionalFile, offset: int) -> Head:
    """Read labels and key of the record at ``offset``, and not its image."""
    place = Place(file.path, offset)
    begin = file.read(offset, min(_HEAD_BYTES, max(file.size - offset, _PART.size)))
    magic, word = _PART.unpack_from(begin)
    length = word & _MOST_BYTES
    if magic == MAGIC and word >> _LENGTH_BITS in (_WHOLE, _FIRST) and len(begin) == _HEAD_BYTES:
        end = _HEADER.size + 4 * struct.unpack_from("<I", begin, _PART.size)[0]
        if end < min(length, _HEAD_BYTES - _PART.size):
            return split_record(begin[_PART.size : _PART.size + end + 1], place)[0]
    return split_record(_joined(file, offset)[0], place)[0]


def split_record(record: bytes, place: Place) -> tuple[Head, bytes]:
    """Split an image record into what it says and its image."""
    if len(record) < _HEADER.size:
        reason = f"not an image record: expected {_HEADER.size} bytes or more, got {len(record)}"
        raise CorruptRecord(place, reason)
    flag, label, key, _ = _HEADER.unpack_from(record)
    begin = _HEADER.size + 4 * flag
    if begin > len(record):
        raise CorruptRecord(place, f"not an image record: {flag} labels in {len(record)} bytes")
    labels = struct.unpack_from(f"<{flag}f", record, _HEADER.size) if flag else (label,)
    return Head(labels, key, flag > 0, begin < len(record)), record[begin:]


def scan(file: PositionalFile, damage: list[CorruptRecord] | None = None) -> Iterator[int]:
    """Give the offset of each record, from the file's first byte to its last.

    With a list, what is damaged is put there and reading goes on behind it; without one it is raised. Its
    number is one more than that of the record before, which is its key where InsightFace's record 0 is there.
    """
    offset = number = 0
    while offset < file.size:
        try:
            end = _end(file, offset)
        except CorruptRecord as found:
            if damage is None:
                raise found.numbered(number) from None
            end = _behind(file, offset)
            # A length that runs past the end of a file is corrupt if other records follow.
            kind = TruncatedFile if isinstance(found, TruncatedFile) and end == file.size else CorruptRecord
            damage.append(kind(found.place._replace(record=number), found.reason))
            number = max(number, _key_before(file, end))  # a search may have passed by several
        else:
            yield offset
        offset, number = end, number + 1


def is_cut(file: PositionalFile, offset: int) -> bool:
    """Whether the file ends before the record at ``offset`` does."""
    try:
        _end(file, offset)
    except CorruptRecord as corrupt:
        return isinstance(corrupt, TruncatedFile)
    return False


def join_record(labels: tuple[float, ...], is_list: bool, key: int, image: bytes) -> bytes:
    """Make an image record."""
    if is_list:
        return _HEADER.pack(len(labels), 0.0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + image
    return _HEADER.pack(0, labels[0], key, 0) + image


def encode_record(record: bytes) -> bytes:
    """Give the bytes that a file holds for a record."""
    if len(record) > _MOST_BYTES:
        raise ValueError(f"record: expected at most {_MOST_BYTES} bytes, got {len(record)}")
    cuts = list(_aligned_magic(record))
    if not cuts:
        return _part(_WHOLE, record)
    parts = [_part(_FIRST, record[: cuts[0]])]
    for begin, end in pairwise(cuts):
        parts.append(_part(_MIDDLE, record[begin + 4 : end]))
    return b"".join([*parts, _part(_LAST, record[cuts[-1] + 4 :])])


def _joined(file: PositionalFile, offset: int) -> tuple[bytes, int]:
    """Give the record at ``offset``, and where it ends."""
    parts = []
    for start, length in _parts(file, offset):
        parts.append(file.read(start, length))
        end = start + _padded(length)
    return _MAGIC_BYTES.join(parts), end


def _end(file: PositionalFile, offset: int) -> int:
    """Tell where the record at ``offset`` ends, and others follow, if with corrupt magic numbers."""
    for start, length in _parts(file, offset):
        end = start + _padded(length)
    if end + _PART.size <= file.size and not _leads_on(file, end):
        raise CorruptRecord(Place(file.path, offset), f"this record ends at byte {end}, where none begins")
    return end


def _key_before(file: PositionalFile, offset: int) -> int:
    """Return one less than the key of the record at ``offset``; -1 if damaged, or if keys are no numbers."""
    try:
        _end(file, offset)
        key = read_head(file, offset).key
        return key - 1 if key < read_head(file, 0).records else -1
    except CorruptRecord:
        return -1


def _leads_on(file: PositionalFile, offset: int) -> bool:
    """Whether what may be lengths lead to a magic number or the file's end, over corrupt magic numbers."""
    for _ in range(_MOST_CORRUPT_IN_A_ROW):
        if offset == file.size or _part_begins(file, offset):
            return True
        if offset + _PART.size > file.size:
            return False
        offset += _PART.size + _padded(_PART.unpack(file.read(offset, _PART.size))[1] & _MOST_BYTES)
    return False


def _behind(file: PositionalFile, offset: int) -> int:
    """Tell where reading goes on behind a corrupt one: by its lengths if these lead on, or at the next."""
    following = _next_begin(file, offset + 4)
    end = _end_by_lengths(file, offset, following)
    is_others = end < following and not _part_begins(file, end) and _leads_on(file, end)
    return end if is_others else following


def _end_by_lengths(file: PositionalFile, offset: int, following: int) -> int:
    """Tell where the parts of a record end, as far as another one, whatever their magic numbers are."""
    is_first = True
    while offset + _PART.size <= following:
        word = _PART.unpack(file.read(offset, _PART.size))[1]
        part = word >> _LENGTH_BITS
        if not is_first and part not in (_MIDDLE, _LAST):
            break
        offset, is_first = offset + _PART.size + _padded(word & _MOST_BYTES), False
        if part in (_WHOLE, _LAST):
            break
    return offset


def _next_begin(file: PositionalFile, begin: int) -> int:
    """Tell where the first record from ``begin`` on begins, or the file ends."""
    for start in range(begin, file.size - _PART.size + 1, _SEARCHED_BYTES):
        content = file.read(start, min(_SEARCHED_BYTES + 4, file.size - start))
        for position in _aligned_magic(content[:-4]):
            if _PART.unpack_from(content, position)[1] >> _LENGTH_BITS in (_WHOLE, _FIRST):
                return start + position
    return file.size


def _part_begins(file: PositionalFile, offset: int) -> bool:
    return offset + _PART.size <= file.size and file.read(offset, 4) == _MAGIC_BYTES


def _parts(file: PositionalFile, offset: int) -> Iterator[tuple[int, int]]:
    """Give where the bytes of each part of a record begin, and their number."""
    place, is_first = Place(file.path, offset), True
    while True:
        if offset + _PART.size > file.size:
            raise TruncatedFile(
                place, f"cut short, expected {_PART.size} bytes at byte {offset}, found {file.size - offset}"
            )
        magic, word = _PART.unpack(file.read(offset, _PART.size))
        part, length = word >> _LENGTH_BITS, word & _MOST_BYTES
        if magic != MAGIC:
            at = "" if is_first else f" a part at byte {offset}:"
            raise CorruptRecord(place, f"no record begins here,{at} expected {MAGIC:#x}, got {magic:#x}")
        if part not in ((_WHOLE, _FIRST) if is_first else (_MIDDLE, _LAST)):
            raise CorruptRecord(place, f"part {part} at byte {offset} out of turn")
        end = offset + _PART.size + _padded(length)
        if end > file.size:
            raise TruncatedFile(place, f"cut short, it ends at byte {end}, the file at {file.size}")
        yield offset + _PART.size, length
        if part in (_WHOLE, _LAST):
            return
        offset, is_first = end, False


def _part(kind: int, content: bytes) -> bytes:
    filling = bytes(_padded(len(content)) - len(content))
    return _PART.pack(MAGIC, kind << _LENGTH_BITS | len(content)) + content + filling


def _padded(length: int) -> int:
    return length + 3 & ~3


def _aligned_magic(record: bytes) -> Iterator[int]:
    position = record.find(_MAGIC_BYTES)
    while position >= 0:
        if position % 4 == 0:
            yield position
        position = record.find(_MAGIC_BYTES, position + (4 if position % 4 == 0 else 1))
