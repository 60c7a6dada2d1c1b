"""RecordIO: the bytes of MXNet's record files, as dmlc-core writes them.

A record is one part or several. A part is the magic number, a word whose upper 3 bits say which part it is
(0: the whole record, 1: the first, 2: a middle one, 3: the last) and whose lower 29 bits are its length, and
its bytes, filled up with zeros to a multiple of 4. Where a record holds the magic number itself, at a
multiple of 4, it is cut in two and the number left out. An image record begins with flag (uint32), label
(float32), id and id2 (uint64); a flag n above 0 means that n labels (float32) follow. All is little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from fr_models.data._reading import PositionalFile

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_PART = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_HEAD_BYTES = 64  # of a record with one label, or a few, and of its frame
_LENGTH_BITS = 29
_MOST_BYTES = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class Head(NamedTuple):
    """What an image record says before its image."""

    labels: tuple[float, ...]
    key: int
    is_list: bool
    has_image: bool


def read_record(file: PositionalFile, offset: int, next_offset: int) -> bytes:
    """Read the record that begins at ``offset``; the next one known begins, or the file ends, at another.

    Where a record ends is the only check that its length has.
    """
    record, end = _joined(file, offset)
    if end != next_offset and (end >= file.size or file.read(end, 4) != _MAGIC_BYTES):
        raise ValueError(f"{file.path}: byte {offset}: this record ends at byte {end}, where none begins")
    return record


def read_head(file: PositionalFile, offset: int) -> Head:
    """Read labels and key of the record at ``offset``, and not its image."""
    where = f"{file.path}: byte {offset}"
    begin = file.read(offset, min(_HEAD_BYTES, max(file.size - offset, _PART.size)))
    magic, word = _PART.unpack_from(begin)
    length = word & _MOST_BYTES
    if magic == MAGIC and word >> _LENGTH_BITS in (_WHOLE, _FIRST) and len(begin) == _HEAD_BYTES:
        end = _HEADER.size + 4 * struct.unpack_from("<I", begin, _PART.size)[0]
        if end < min(length, _HEAD_BYTES - _PART.size):
            return split_record(begin[_PART.size : _PART.size + end + 1], where)[0]
    return split_record(_joined(file, offset)[0], where)[0]


def split_record(record: bytes, where: str) -> tuple[Head, bytes]:
    """Split an image record into what it says and its image."""
    if len(record) < _HEADER.size:
        raise ValueError(
            f"{where}: not an image record: expected {_HEADER.size} bytes or more, got {len(record)}"
        )
    flag, label, key, _ = _HEADER.unpack_from(record)
    begin = _HEADER.size + 4 * flag
    if begin > len(record):
        raise ValueError(f"{where}: not an image record: {flag} labels in {len(record)} bytes")
    labels = struct.unpack_from(f"<{flag}f", record, _HEADER.size) if flag else (label,)
    return Head(labels, key, flag > 0, begin < len(record)), record[begin:]


def scan(file: PositionalFile) -> Iterator[int]:
    """Give the offset of each record, from the file's first byte to its last."""
    offset = 0
    while offset < file.size:
        yield offset
        for start, length in _parts(file, offset):
            offset = start + _padded(length)
    if offset > file.size:
        raise ValueError(
            f"{file.path}: cut short: its last record ends at byte {offset}, the file at {file.size}"
        )


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


def _parts(file: PositionalFile, offset: int) -> Iterator[tuple[int, int]]:
    """Give where the bytes of each part of a record begin, and their number."""
    begin, is_first = offset, True
    while True:
        magic, word = _PART.unpack(file.read(offset, _PART.size))
        part, length = word >> _LENGTH_BITS, word & _MOST_BYTES
        if magic != MAGIC:
            raise ValueError(
                f"{file.path}: byte {offset}: no record begins here, expected {MAGIC:#x}, got {magic:#x}"
            )
        if part not in ((_WHOLE, _FIRST) if is_first else (_MIDDLE, _LAST)):
            raise ValueError(
                f"{file.path}: byte {offset}: part {part} of the record of byte {begin} out of turn"
            )
        yield offset + _PART.size, length
        if part in (_WHOLE, _LAST):
            return
        offset, is_first = offset + _PART.size + _padded(length), False


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
