"""TFRecord files and the protocol buffer ``tf.train.Example``, without TensorFlow.

A record is its length (uint64), the masked CRC32C of these 8 bytes, its bytes, and their masked CRC32C; all
is little-endian. Both checksums are compared whenever a record is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from fr_models.data._reading import PositionalFile

_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8

Features = dict[str, bytes | int]


def encode_record(content: bytes) -> bytes:
    """Give the bytes that a file holds for a record."""
    length = struct.pack("<Q", len(content))
    checksums = (_CHECKSUM.pack(_masked_crc32c(part)) for part in (length, content))
    return b"".join((length, next(checksums), content, next(checksums)))


def read_record(file: PositionalFile, offset: int) -> tuple[bytes, int]:
    """Read the record that begins at ``offset``; give it and where the next begins."""
    head = file.read(offset, _LENGTH.size)
    length, checksum = _LENGTH.unpack(head)
    if _masked_crc32c(head[:8]) != checksum:
        raise ValueError(
            f"{file.path}: byte {offset}: no record begins here: the checksum of its length is wrong"
        )
    begin = offset + _LENGTH.size
    content = file.read(begin, length + _CHECKSUM.size)
    record = content[:length]
    if _masked_crc32c(record) != _CHECKSUM.unpack(content[length:])[0]:
        raise ValueError(
            f"{file.path}: byte {offset}: the checksum of this record of {length} bytes is wrong"
        )
    return record, begin + len(content)


def scan(file: PositionalFile) -> Iterator[tuple[int, bytes]]:
    """Give offset and content of each record."""
    offset = 0
    while offset < file.size:
        record, end = read_record(file, offset)
        yield offset, record
        offset = end


def encode_example(features: Mapping[str, bytes | int]) -> bytes:
    """Make an Example whose features hold one value each, in the order of their names."""
    example = _Example()
    for name in sorted(features):
        value = features[name]
        entry = example.features.feature.add(key=name)
        kind = entry.value.int64_list if isinstance(value, int) else entry.value.bytes_list
        kind.value.append(value)
    return bytes(example.SerializeToString())


def decode_example(record: bytes, where: str) -> Features:
    """Give the features of an Example that hold one integer or one string of bytes; others are left out."""
    try:
        example = _Example.FromString(record)
    except DecodeError:
        raise ValueError(f"{where}: not a tf.train.Example") from None
    features: Features = {}
    for entry in example.features.feature:
        for values in (entry.value.bytes_list.value, entry.value.int64_list.value):
            if len(values) == 1:
                features[entry.key] = values[0]
    return features


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
