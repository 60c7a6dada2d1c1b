"""TFRecord files and the protocol buffer ``tf.train.Example``, without TensorFlow.

A record is its length (uint64), the masked CRC32C of these 8 bytes, its bytes, and their masked CRC32C; all
is little-endian. Both checksums are compared whenever a record is read. Where a length is corrupt, the next
record is where 8 bytes are followed by their checksum.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from fr_models.data._reading import PositionalFile
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile

_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_SEARCHED_BYTES = 1 << 20

Features = dict[str, bytes | int]


class Record(NamedTuple):
    """Number of a record in its file, the byte where it begins, and its content."""

    number: int
    offset: int
    content: bytes


def encode_record(content: bytes) -> bytes:
    """Give the bytes that a file holds for a record."""
    length = struct.pack("<Q", len(content))
    checksums = (_CHECKSUM.pack(_masked_crc32c(part)) for part in (length, content))
    return b"".join((length, next(checksums), content, next(checksums)))


def read_record(file: PositionalFile, offset: int) -> tuple[bytes, int]:
    """Read the record that begins at ``offset``; give it and where the next begins."""
    place = Place(file.path, offset)
    length = _intact_length(file, offset)
    if length is None:
        raise CorruptRecord(place, "no record begins here: the checksum of its length is wrong")
    begin = offset + _LENGTH.size
    end = begin + length + _CHECKSUM.size
    if end > file.size:
        raise TruncatedFile(place, f"cut short, expected {end - begin} bytes, found {file.size - begin}")
    content = file.read(begin, end - begin)
    record = content[:length]
    if _masked_crc32c(record) != _CHECKSUM.unpack(content[length:])[0]:
        raise CorruptRecord(place, f"the checksum of this record of {length} bytes is wrong")
    return record, end


def scan(file: PositionalFile, damage: list[CorruptRecord] | None = None) -> Iterator[Record]:
    """Give all records of a file.

    With a list, what is damaged is put there and reading goes on behind it; without one it is raised.
    """
    offset = number = 0
    while offset < file.size:
        try:
            content, end = read_record(file, offset)
        except CorruptRecord as found:
            corrupt = found.numbered(number)
            if damage is None:
                raise corrupt from None
            damage.append(corrupt)
            end = file.size if isinstance(corrupt, TruncatedFile) else _end_of_corrupt(file, offset)
        else:
            yield Record(number, offset, content)
        offset, number = end, number + 1


def encode_example(features: Mapping[str, bytes | int]) -> bytes:
    """Make an Example whose features hold one value each, in the order of their names."""
    example = _Example()
    for name in sorted(features):
        value = features[name]
        entry = example.features.feature.add(key=name)
        kind = entry.value.int64_list if isinstance(value, int) else entry.value.bytes_list
        kind.value.append(value)
    return bytes(example.SerializeToString())


def decode_example(record: bytes, place: Place) -> Features:
    """Give the features of an Example that hold one integer or one string of bytes; others are left out."""
    try:
        example = _Example.FromString(record)
    except DecodeError:
        raise CorruptRecord(place, "not a tf.train.Example") from None
    features: Features = {}
    for entry in example.features.feature:
        for values in (entry.value.bytes_list.value, entry.value.int64_list.value):
            if len(values) == 1:
                features[entry.key] = values[0]
    return features


def _intact_length(file: PositionalFile, offset: int) -> int | None:
    """Read the length of the record at ``offset``; None if its checksum is wrong."""
    head = file.read(offset, _LENGTH.size)
    length, checksum = _LENGTH.unpack(head)
    return int(length) if _masked_crc32c(head[:8]) == checksum else None


def _end_of_corrupt(file: PositionalFile, offset: int) -> int:
    """Tell where the next record begins behind a corrupt one, or the file ends."""
    length = _intact_length(file, offset)
    if length is not None:
        return offset + _LENGTH.size + length + _CHECKSUM.size
    for start in range(offset + 1, file.size - _LENGTH.size + 1, _SEARCHED_BYTES):
        content = file.read(start, min(_SEARCHED_BYTES + _LENGTH.size - 1, file.size - start))
        for position in _intact_heads(np.frombuffer(content, np.uint8)).tolist():
            if _LENGTH.unpack_from(content, position)[0] < file.size:
                return start + position
    return file.size


def _intact_heads(content: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Find the places where 8 bytes are followed by their masked checksum, all of them at once."""
    count = len(content) - _LENGTH.size + 1
    crc = np.zeros(count, np.uint32)
    for place, table in enumerate(_checksum_tables()):
        crc ^= table[content[place : place + count]]
    masked = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(_MASK_DELTA)
    stored = np.zeros(count, np.uint32)
    for place in range(_CHECKSUM.size):
        stored |= content[8 + place : 8 + place + count].astype(np.uint32) << np.uint32(8 * place)
    return np.flatnonzero(masked == stored)


@functools.cache
def _checksum_tables() -> npt.NDArray[np.uint32]:
    """Give what each value of each of 8 bytes adds (XOR) to their CRC32C, uint32 ``[8, 256]``."""
    zeros = google_crc32c.value(bytes(8))
    contents = [
        [bytes(place) + bytes([value]) + bytes(7 - place) for value in range(256)] for place in range(8)
    ]
    tables = np.array([[google_crc32c.value(content) ^ zeros for content in row] for row in contents])
    tables[0] ^= zeros
    return tables.astype(np.uint32)


def _masked_crc32c(content: bytes) -> int:
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _example_class() -> Any:
    """Build the message; a map is, on the wire, a list of messages of key and value."""
    field = descriptor_pb2.FieldDescriptorProto
    messages: dict[str, list[tuple[str, int, int, int, str | None]]] = {
        "BytesList": [("value", 1, field.TYPE_BYTES, field.LABEL_REPEATED, None)],
        "Int64List": [("value", 1, field.TYPE_INT64, field.LABEL_REPEATED, None)],
        "Feature": [
            ("bytes_list", 1, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, "BytesList"),
            ("int64_list", 3, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, "Int64List"),
        ],
        "Entry": [
            ("key", 1, field.TYPE_STRING, field.LABEL_OPTIONAL, None),
            ("value", 2, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, "Feature"),
        ],
        "Features": [("feature", 1, field.TYPE_MESSAGE, field.LABEL_REPEATED, "Entry")],
        "Example": [("features", 1, field.TYPE_MESSAGE, field.LABEL_OPTIONAL, "Features")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="fr_example.proto", package="fr", syntax="proto3")
    for message, fields in messages.items():
        added = file.message_type.add(name=message)
        for name, number, kind, label, of in fields:
            added.field.add(
                name=name, number=number, type=kind, label=label, type_name=f".fr.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fr.Example"))


_Example = _example_class()
