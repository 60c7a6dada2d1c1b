"""Files with corrupt records and a cut tail: each fault is named and counted, and all else is read."""

from __future__ import annotations

import json
import struct
from collections.abc import Container
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest
from fr_models.data import _recordio, _tfrecord, open_dataset, writing
from fr_models.data._reading import PositionalFile
from fr_models.data.check import Report, check_dataset
from fr_models.data.convert import UnreadableImages, convert_dataset
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile, count_missing
from fr_models.data.dataset import Dataset
from fr_models.data.formats import open_damaged
from fr_models.data.selection import Selection, write_selection

from tests.fr_models.data.datasets import InMemory, mixed_faces


@pytest.fixture
def source() -> InMemory:
    return mixed_faces()


def flip(path: Path, *places: tuple[int, int]) -> None:
    """Flip bits of a file: (byte, mask) each."""
    content = bytearray(path.read_bytes())
    for byte, mask in places:
        content[byte] ^= mask
    path.write_bytes(content)


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def named(report: Report, kind: str) -> list[str]:
    return sorted(problem.name for problem in report.problems if problem.kind == kind)


def readable(dataset: Dataset) -> list[bytes]:
    images = []
    for index in range(len(dataset)):
        try:
            images.append(dataset.read(index))
        except CorruptRecord:
            continue
    return images


@pytest.fixture
def shards(tmp_path: Path, source: InMemory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TFRecord: 10, 10 and 3 images, four of them corrupt, and the last two lost."""
    monkeypatch.setattr(writing, "IMAGES_PER_SHARD", 10)
    convert_dataset(source, tmp_path / "shards", "tfrecord")
    first, second, third = sorted((tmp_path / "shards").glob("*.tfrecord"))
    begins = [
        [record.offset for record in _tfrecord.scan(PositionalFile(path))] for path in (first, second, third)
    ]
    flip(
        first, (begins[0][2] + 40, 1), (begins[0][5] + 1, 4), (begins[0][8] + 9, 128)
    )  # image, length, its sum
    flip(second, (begins[1][4] - 1, 1))  # the checksum of record 3
    cut(third, begins[2][1] + 100)
    faults = [(first, 2), (first, 5), (first, 8), (second, 3)]
    places = [str(Place(path, begins[path == second][record], record)) for path, record in faults]
    (tmp_path / "corrupt.json").write_text(json.dumps(sorted(places)))
    (tmp_path / "truncated.json").write_text(json.dumps([str(Place(third, begins[2][1], 1))]))
    return tmp_path / "shards"


@pytest.mark.parametrize("has_index", [True, False])
def test_every_corrupt_record_of_tfrecord(shards: Path, source: InMemory, has_index: bool) -> None:
    if not has_index:
        (shards / "tfrecord.json").unlink()
    dataset = open_damaged(shards)
    report = check_dataset(dataset, least_images=1)
    assert named(report, "corrupt") == json.loads((shards.parent / "corrupt.json").read_text())
    assert named(report, "truncated") == json.loads((shards.parent / "truncated.json").read_text())
    assert (report.counts()["corrupt"], report.counts()["truncated"]) == (4, 1)
    details = {problem.kind: problem.detail for problem in report.problems}
    assert ("2 of its 3 records are missing" if has_index else "cut short, expected") in details["truncated"]
    assert readable(dataset) == [source.images[row] for row in range(21) if row not in (2, 5, 8, 13)]
    with pytest.raises(ValueError, match=r"train-00002-of-00003" if has_index else "record 2 at byte"):
        open_dataset(shards)


RECORD_IO_FAULTS = {
    2: (3, 1),
    5: (4, 64),
    9: (7, 64),
    22: (15, 128),
}  # magic, length, part, sign of the label


@pytest.fixture
def records(tmp_path: Path, source: InMemory) -> Path:
    """RecordIO, with four of 23 images corrupt."""
    convert_dataset(source, tmp_path / "records", "recordio")
    begins = offsets_of(tmp_path / "records")
    flips = [(begins[record] + byte, mask) for record, (byte, mask) in RECORD_IO_FAULTS.items()]
    flip(tmp_path / "records" / "train.rec", *flips)
    return tmp_path / "records"


def offsets_of(folder: Path) -> list[int]:
    return [int(line.split()[1]) for line in (folder / "train.idx").read_text().splitlines()]


def in_records(
    source: InMemory, records: range, faults: Container[int] = tuple(RECORD_IO_FAULTS)
) -> list[bytes]:
    """The images of records that are whole, in the order of RecordIO."""
    order = np.argsort(source.labels, kind="stable")
    return [source.images[order[record - 1]] for record in records if record not in faults]


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("lost", [0, 5, 6])
def test_every_corrupt_record_of_recordio(
    records: Path, source: InMemory, has_index: bool, lost: int
) -> None:
    begins = offsets_of(records)
    if lost:  # the ranges of the five classes, and one image, half of it
        cut(records / "train.rec", begins[29 - lost] + (20 if lost == 6 else 0))
    if not has_index:
        (records / "train.idx").unlink()
    dataset = open_damaged(records)
    report = check_dataset(dataset, least_images=1)
    corrupt = [Place(records / "train.rec", begins[record], record) for record in RECORD_IO_FAULTS]
    assert named(report, "corrupt") == sorted(map(str, corrupt))
    truncated = [problem for problem in report.problems if problem.kind == "truncated"]
    assert len(truncated) == (lost > 0)
    if lost:
        assert f"{lost} of " in truncated[0].detail and "29 records" in truncated[0].detail
    assert readable(dataset) == in_records(source, range(1, min(24, 29 - lost)))
    assert dataset.class_names == source.class_names


def test_a_tail_that_is_cut_between_records(tmp_path: Path, source: InMemory) -> None:
    """Without an index only record 0 knows."""
    convert_dataset(source, tmp_path / "records", "recordio")
    cut(tmp_path / "records" / "train.rec", offsets_of(tmp_path / "records")[20])
    (tmp_path / "records" / "train.idx").unlink()
    with pytest.raises(TruncatedFile, match="cut short: 9 of its 29 records are missing"):
        open_dataset(tmp_path / "records")


@pytest.mark.parametrize("left", [1, 12, 24, 28])
def test_an_index_that_is_cut_between_lines(tmp_path: Path, source: InMemory, left: int) -> None:
    """Record 0 knows how many lines there must be, and that no image is lost in silence."""
    convert_dataset(source, tmp_path / "records", "recordio")
    index = tmp_path / "records" / "train.idx"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:left]))
    message = rf"train\.idx: byte {index.stat().st_size}: {left} of 29 records: cut short"
    with pytest.raises(TruncatedFile, match=message):
        open_dataset(tmp_path / "records")
    if left == 1:
        return
    dataset = open_damaged(tmp_path / "records")
    assert [str(one.place) for one in dataset.damage] == [f"{index}: byte {index.stat().st_size}"]
    assert readable(dataset) == in_records(source, range(1, min(left, 24)), faults=())


def test_an_index_of_chosen_records_is_whole(tmp_path: Path, source: InMemory) -> None:
    convert_dataset(source, tmp_path / "records", "recordio")
    index = tmp_path / "records" / "train.idx"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[3:20:2]))
    assert len(open_dataset(tmp_path / "records")) == 9


def test_destroyed_headers_cut_no_file_short(tmp_path: Path, source: InMemory) -> None:
    """Without an index the record before is lost with them; those behind keep their numbers."""
    convert_dataset(source, tmp_path / "x", "recordio")
    path, begins = tmp_path / "x" / "train.rec", offsets_of(tmp_path / "x")
    (tmp_path / "x" / "train.idx").unlink()
    content = bytearray(path.read_bytes())
    for record in (6, 12, 13):
        content[begins[record] : begins[record] + 8] = bytes(8)
    content[begins[20]] ^= 1
    path.write_bytes(content)
    dataset = open_damaged(tmp_path / "x")
    *corrupt, missing = dataset.damage
    assert [one.place for one in corrupt] == [Place(path, begins[record], record) for record in (5, 11, 20)]
    assert str(missing) == f"{path}: byte {len(content)}: 3 more of its 29 records were not found"
    assert not isinstance(missing, TruncatedFile)
    assert readable(dataset) == in_records(source, range(1, 24), faults=(5, 6, 11, 12, 13, 20))


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("neighbour", [False, True])
def test_a_record_of_parts_is_one_fault(tmp_path: Path, part: int, neighbour: bool) -> None:
    """It holds the magic number, and so is in parts: one of them is corrupt, or the next record, too."""
    path, magic = tmp_path / "x.rec", struct.pack("<I", _recordio.MAGIC)
    contents = [b"a" * 20, magic.join([b"b" * 8, b"c" * 12, b"", b"d" * 5]), b"e" * 30, b"f" * 9]
    encoded = [_recordio.encode_record(content) for content in contents]
    begins = [0, *accumulate(map(len, encoded))]
    path.write_bytes(b"".join(encoded))
    file = PositionalFile(path)
    parts = [start - 8 for start, _ in _recordio._parts(file, begins[1])]
    assert len(parts) == 4 and list(_recordio.scan(file)) == begins[:-1]
    flip(path, (parts[part], 1), *([(begins[2] + 1, 1)] if neighbour else []))
    damage: list[CorruptRecord] = []
    found = list(_recordio.scan(PositionalFile(path), damage))
    corrupt = [1, 2] if neighbour else [1]
    assert [one.place for one in damage] == [Place(path, begins[record], record) for record in corrupt]
    assert found == [begins[record] for record in range(4) if record not in corrupt]


def test_convert_names_all(records: Path, shards: Path, tmp_path: Path) -> None:
    for folder, kind, count in ((records, "tfrecord", 4), (shards, "recordio", 5)):
        with pytest.raises(
            UnreadableImages, match=rf"^{count} images or records cannot be read, the first"
        ) as error:
            convert_dataset(open_damaged(folder), tmp_path / "output", kind)
        assert len({str(fault) for fault in error.value.faults}) == count
        assert all(isinstance(fault, CorruptRecord) for fault in error.value.faults)
        assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("has_index", [True, False])
def test_what_is_left_can_be_rescued(shards: Path, source: InMemory, tmp_path: Path, has_index: bool) -> None:
    if not has_index:
        (shards / "tfrecord.json").unlink()
    dataset = open_damaged(shards)
    rows = check_dataset(dataset).without("corrupt")
    write_selection(tmp_path / "good.npz", Selection(dataset, rows), shards)
    convert_dataset(open_dataset(tmp_path / "good.npz"), tmp_path / "rescued", "tfrecord")
    rescued = open_dataset(tmp_path / "rescued")
    assert readable(rescued) == [source.images[row] for row in range(21) if row not in (2, 5, 8, 13)]
    third = sorted(shards.glob("*.tfrecord"))[2]
    cut(third, 60)
    with pytest.raises(CorruptRecord):  # other damage than the selection knows
        open_dataset(tmp_path / "good.npz")


def flip_at_random(path: Path, places: list[range], seed: int) -> set[int]:
    """Flip one bit in three of these parts of a file; return which."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(places), 3, replace=False).tolist()
    flip(path, *((int(rng.choice(places[place])), 1 << int(rng.integers(8))) for place in chosen))
    return set(chosen)


@pytest.mark.parametrize("seed", range(25))
def test_any_bits_of_tfrecord(tmp_path: Path, source: InMemory, seed: int) -> None:
    convert_dataset(source, tmp_path / "x", "tfrecord")
    (tmp_path / "x" / "tfrecord.json").unlink()
    (path,) = (tmp_path / "x").glob("*.tfrecord")
    begins = [*(record.offset for record in _tfrecord.scan(PositionalFile(path))), path.stat().st_size]
    chosen = flip_at_random(path, [range(*pair) for pair in pairwise(begins)], seed)
    dataset = open_damaged(tmp_path / "x")
    assert {corrupt.place.record for corrupt in dataset.damage} == chosen
    assert {corrupt.place.offset for corrupt in dataset.damage} == {begins[record] for record in chosen}
    assert readable(dataset) == [image for row, image in enumerate(source.images) if row not in chosen]


@pytest.mark.parametrize("seed", range(25))
def test_any_bits_of_the_frames_of_recordio(tmp_path: Path, source: InMemory, seed: int) -> None:
    convert_dataset(source, tmp_path / "x", "recordio")
    begins = offsets_of(tmp_path / "x")[1:24]
    (tmp_path / "x" / "train.idx").unlink()
    path = tmp_path / "x" / "train.rec"
    chosen = flip_at_random(path, [range(begin, begin + 8) for begin in begins], seed)
    dataset = open_damaged(tmp_path / "x")
    assert {corrupt.place.record for corrupt in dataset.damage} <= {record + 1 for record in chosen}
    whole = [source.images[row] for row in np.argsort(source.labels, kind="stable")]
    assert {whole[row] for row in range(23) if row not in chosen} <= set(readable(dataset))


def test_a_search_goes_on_over_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tfrecord, "_SEARCHED_BYTES", 64)
    contents = [bytes([number]) * 50 * number for number in range(1, 9)]
    path = tmp_path / "x.tfrecord"
    path.write_bytes(b"".join(map(_tfrecord.encode_record, contents)))
    begins = [record.offset for record in _tfrecord.scan(PositionalFile(path))]
    flip(path, (begins[1], 1), (begins[6] + 3, 1))
    damage: list[CorruptRecord] = []
    found = [record.content for record in _tfrecord.scan(PositionalFile(path), damage)]
    assert found == [content for number, content in enumerate(contents) if number not in (1, 6)]
    assert [corrupt.place for corrupt in damage] == [Place(path, begins[record], record) for record in (1, 6)]


def test_missing_records_are_counted_once() -> None:
    end = Place(Path("x"), 100)
    corrupt = CorruptRecord(Place(Path("x"), 10, 1), "its label is 1")
    truncated = TruncatedFile(Place(Path("x"), 90, 6), "cut short")
    damage = [truncated, corrupt]
    count_missing(damage, end, expected=10, found=5, is_tail_lost=False)
    assert damage[0] is corrupt
    assert str(damage[1]) == "x: record 6 at byte 90: cut short: 4 of its 10 records are missing"
    count_missing(damage := [corrupt], end, expected=6, found=5, is_tail_lost=True)
    assert damage == [corrupt]
    count_missing(damage, end, expected=7, found=5, is_tail_lost=True)
    assert str(damage[1]) == "x: byte 100: cut short: 1 of its 7 records are missing"
    count_missing(damage := [corrupt], end, expected=7, found=5, is_tail_lost=False)
    assert str(damage[1]) == "x: byte 100: 1 more of its 7 records were not found"
    assert not isinstance(damage[1], TruncatedFile)
