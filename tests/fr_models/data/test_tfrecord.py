"""TFRecord against TensorFlow's reader and writer, and damage of every kind."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models.data import _tfrecord, open_dataset, tfrecord, writing
from fr_models.data._reading import PositionalFile
from fr_models.data.convert import convert_dataset
from fr_models.data.damage import CorruptRecord, Place, TruncatedFile
from fr_models.data.formats import open_damaged
from hypothesis import given
from hypothesis import strategies as st

from tests.fr_eval.faces import write_faces
from tests.fr_models.data.datasets import InMemory, mixed_faces


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    monkeypatch.setattr(writing, "IMAGES_PER_SHARD", 10)
    return mixed_faces()


@pytest.fixture
def written(tmp_path: Path, source: InMemory) -> Path:
    convert_dataset(source, tmp_path / "records", "tfrecord")
    return tmp_path / "records"


def int64(value: int) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def text(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def write_by_tensorflow(path: Path, examples: list[dict[str, Any]]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for features in examples:
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


@pytest.mark.parametrize("has_sidecar", [True, False])
def test_more_shards_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_sidecar: bool
) -> None:
    monkeypatch.setattr(writing, "IMAGES_PER_SHARD", 1)
    monkeypatch.setattr(tfrecord, "OPEN_SHARDS", 4)
    source = mixed_faces(60)
    convert_dataset(source, tmp_path / "records", "tfrecord")
    if not has_sidecar:
        (tmp_path / "records" / "tfrecord.json").unlink()
    next_free = os.dup(0)
    os.close(next_free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free + 30, limits[1]))
    try:
        dataset = open_dataset(tmp_path / "records")
        images = [dataset.read(index) for _ in range(2) for index in range(60)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert images == 2 * source.images


def test_tensorflow_reads_what_is_written(written: Path, source: InMemory) -> None:
    files = sorted(str(path) for path in written.glob("*.tfrecord"))
    assert [Path(file).name for file in files] == [f"train-0000{i}-of-00003.tfrecord" for i in range(3)]
    keys = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/format": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/class/text": tf.io.FixedLenFeature([], tf.string),
    }
    records = tf.data.TFRecordDataset(files)
    found = [tf.io.parse_single_example(record, keys) for record in records]
    assert [example["image/encoded"].numpy() for example in found] == source.images
    assert [int(example["image/class/label"]) for example in found] == source.labels.tolist()
    assert found[0]["image/format"].numpy() == b"png" and found[1]["image/format"].numpy() == b"jpeg"
    for example in found:
        name = source.class_names[int(example["image/class/label"])]
        assert example["image/class/text"].numpy().decode() == name


@pytest.mark.parametrize(
    ("image_key", "label_key"), [("image/encoded", "image/class/label"), ("image_raw", "label")]
)
def test_reads_what_tensorflow_writes(tmp_path: Path, image_key: str, label_key: str) -> None:
    source = mixed_faces()
    examples = [
        {
            image_key: text(image),
            label_key: int64(label),
            "image/height": int64(40),
            "scores": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0, 2.0])),
        }
        for image, label in zip(source.images, source.labels.tolist(), strict=True)
    ]
    write_by_tensorflow(tmp_path / "a.tfrecord", examples[:10])
    write_by_tensorflow(tmp_path / "b.tfrecord", examples[10:])
    dataset = open_dataset(tmp_path)
    assert [dataset.read(index) for index in range(len(dataset))] == source.images
    assert dataset.labels.tolist() == source.labels.tolist()
    assert dataset.class_names == ["0", "1", "2", "3"]
    alone = open_dataset(tmp_path / "b.tfrecord")
    assert len(alone) == 13 and alone.read(12) == source.images[-1]


def test_class_names_of_texts(tmp_path: Path) -> None:
    examples = [
        {"image/encoded": text(b"x"), "image/class/label": int64(label), "image/class/text": text(name)}
        for label, name in [(1, b"Bea"), (0, b"Al"), (1, b"Bea")]
    ]
    write_by_tensorflow(tmp_path / "a.tfrecord", examples)
    assert open_dataset(tmp_path / "a.tfrecord").class_names == ["Al", "Bea"]


@given(st.binary(max_size=300))
def test_frame_is_that_of_tensorflow(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("frame") / "x.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(content)
    assert path.read_bytes() == _tfrecord.encode_record(content)


@given(
    st.dictionaries(
        st.text(max_size=8), st.binary(max_size=40) | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5
    )
)
def test_examples_are_those_of_tensorflow(features: dict[str, bytes | int]) -> None:
    encoded = _tfrecord.encode_example(features)
    theirs = tf.train.Example.FromString(encoded)
    kinds = {
        name: text(value) if isinstance(value, bytes) else int64(value) for name, value in features.items()
    }
    assert theirs == tf.train.Example(features=tf.train.Features(feature=kinds))
    assert _tfrecord.decode_example(theirs.SerializeToString(), Place(Path("here"), 0)) == features


def test_any_flipped_bit_is_noticed(written: Path) -> None:
    shard = written / "train-00001-of-00003.tfrecord"
    whole = shard.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        shard.write_bytes(damaged)
        dataset = open_dataset(written)
        with pytest.raises(
            ValueError, match=r"train-00001-of-00003\.tfrecord: record \d at byte \d+: .*checksum"
        ):
            list(map(dataset.read, range(10, 20)))


def test_cut_anywhere(written: Path) -> None:
    shard = written / "train-00002-of-00003.tfrecord"
    whole = shard.read_bytes()
    for length in np.random.default_rng(0).integers(1, len(whole), 20).tolist():
        shard.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"{length} bytes, expected {len(whole)}: cut short or changed"):
            open_dataset(written)
    (written / "tfrecord.json").unlink()
    shard.write_bytes(whole)
    ends = {record.offset for record in _tfrecord.scan(PositionalFile(shard))}
    for length in {*np.random.default_rng(1).integers(1, len(whole), 20).tolist()} - ends:
        shard.write_bytes(whole[:length])
        with pytest.raises(
            ValueError, match=r"train-00002-of-00003\.tfrecord: record \d at byte \d+: cut short, expected"
        ):
            open_dataset(written)


def test_a_shard_that_became_longer(written: Path) -> None:
    """It is no file that is cut short, and its records are where they were."""
    shard = written / "train-00001-of-00003.tfrecord"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes() + bytes(7))
    dataset = open_damaged(written)
    (fault,) = dataset.damage
    assert str(fault) == f"{shard}: byte {size}: {size + 7} bytes, expected {size}: changed"
    assert not isinstance(fault, TruncatedFile)
    assert len(dataset) == 23 and all(map(dataset.read, range(23)))
    with pytest.raises(ValueError, match=rf"{size + 7} bytes, expected {size}: changed"):
        open_dataset(written)


def test_missing_shard(written: Path) -> None:
    (written / "train-00001-of-00003.tfrecord").unlink()
    with pytest.raises(ValueError, match=r"no file train-00001-of-00003\.tfrecord"):
        open_dataset(written)


def test_a_shard_is_not_the_dataset(written: Path) -> None:
    with pytest.raises(ValueError, match=r"one of 3 shards that .* describes: open its folder"):
        open_dataset(written / "train-00001-of-00003.tfrecord")


def test_files_that_the_sidecar_does_not_know(written: Path) -> None:
    write_by_tensorflow(written / "b.tfrecord", [{"image_raw": text(b"x"), "label": int64(0)}])
    assert len(open_dataset(written / "b.tfrecord")) == 1
    with pytest.raises(
        ValueError, match=r"tfrecord\.json: does not describe b\.tfrecord, which lies beside it"
    ):
        open_dataset(written)


def test_without_sidecar_by_a_scan(written: Path, source: InMemory) -> None:
    expected = open_dataset(written)
    (written / "tfrecord.json").unlink()
    scanned = open_dataset(written)
    assert [scanned.read(i) for i in range(23)] == [expected.read(i) for i in range(23)] == source.images
    assert np.array_equal(scanned.labels, expected.labels)
    assert expected.class_names == source.class_names
    assert scanned.class_names == source.class_names[:-1]  # of the class without images no record tells


def test_labels_that_differ_from_the_sidecar(written: Path) -> None:
    places = np.load(written / "tfrecord.npy")
    places[1, 7] = (places[1, 7] + 1) % 4
    np.save(written / "tfrecord.npy", places)
    dataset = open_dataset(written)
    dataset.read(6)
    with pytest.raises(ValueError, match=r"byte \d+: its label is \d, expected \d"):
        dataset.read(7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total": 24}, "5 class names and shards of 23 images, expected 5 classes and 24 images"),
        ({"classes": 4}, "expected 4 classes and 23 images"),
        ({"total": 2**70}, "expected 5 classes and 1180591620717411303424 images"),
        ({"total": "many"}, "not the JSON that describes a TFRecord dataset"),
        ({"shards": [{"file": "../../x", "bytes": 1, "images": 23}]}, "names of files in this folder"),
        (
            {"shards": [{"file": "x", "bytes": 1, "images": n} for n in (24, -1)]},
            "shards of 23 images, expected",
        ),
        ({"shards": [{"file": "x", "bytes": 1}]}, "not the JSON that describes a TFRecord dataset"),
        ({"shards": None}, "not the JSON that describes a TFRecord dataset"),
        ({"class_names": ["a", "a", "b", "c", "d"]}, "two classes have the name 'a'"),
    ],
)
def test_hostile_sidecar(written: Path, change: dict[str, Any], message: str) -> None:
    fields = json.loads((written / "tfrecord.json").read_text())
    (written / "tfrecord.json").write_text(json.dumps(fields | change))
    with pytest.raises(ValueError, match=message):
        open_dataset(written)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (np.zeros((2, 22), np.int64), r"tfrecord\.npy: expected int64 \[2, 23\], got int64 \[2, 22\]"),
        (np.zeros((2, 23), np.float64), r"expected int64 \[2, 23\], got float64"),
        (np.full((2, 23), 9), "23 labels outside 0 to 4"),
        (np.zeros((2, 23), object), r"tfrecord\.npy: cannot be read"),
    ],
)
def test_hostile_places(written: Path, places: np.ndarray, message: str) -> None:
    np.save(written / "tfrecord.npy", places, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        open_dataset(written)


def test_missing_places(written: Path) -> None:
    (written / "tfrecord.npy").unlink()
    with pytest.raises(ValueError, match=r"tfrecord\.npy: cannot be read: .*No such file"):
        open_dataset(written)


def test_the_index_is_small(written: Path) -> None:
    assert (written / "tfrecord.json").stat().st_size < 1000 + 100 * 3  # of names and shards, not of images
    assert (written / "tfrecord.npy").stat().st_size == 128 + 16 * 23


def test_sidecar_cut_short(written: Path) -> None:
    text = (written / "tfrecord.json").read_text()
    (written / "tfrecord.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match=r"tfrecord\.json: not the JSON"):
        open_dataset(written)


def teacher_examples(folder: Path, number: str) -> list[dict[str, Any]]:
    """What the reference's ``data_distiller.py`` writes, by TensorFlow."""
    names = write_faces(folder / "faces", 3, 2)
    embeddings = np.random.default_rng(0).normal(size=(6, 8)).astype(number)
    examples = [
        {
            "image_names": text(f"faces/{name}".encode()),
            "image_classes": int64(row // 2),
            "embeddings": text(embeddings[row].tobytes()),
        }
        for row, name in enumerate(names)
    ]
    settings = {"classes": 3, "emb_shape": 8, "total": 6, "use_fp16": int(number == "f2")}
    examples[0] |= {name: int64(value) for name, value in settings.items()}
    return examples


@pytest.mark.parametrize("number", ["f2", "f4"])
def test_a_teacher_of_the_reference(tmp_path: Path, number: str) -> None:
    write_by_tensorflow(tmp_path / "t.tfrecord", teacher_examples(tmp_path, number))
    dataset = open_dataset(tmp_path / "t.tfrecord")
    expected = np.random.default_rng(0).normal(size=(6, 8)).astype(number).astype("f4")
    np.testing.assert_array_equal(dataset.embeddings, expected)
    assert dataset.digest() == open_dataset(tmp_path / "faces").digest()
    assert dataset.paths() == open_dataset(tmp_path / "faces").paths()


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (0, {"total": int64(7)}, "6 records, expected 7"),
        (0, {"classes": int64(4)}, "3 classes, expected 4"),
        (0, {"emb_shape": int64(9)}, "expected an embedding of 9 float32, got 32 bytes"),
        (
            0,
            {"use_fp16": text(b"no")},
            "expected the features classes, emb_shape, total, use_fp16 in the first",
        ),
        (3, {"embeddings": text(b"")}, r"byte \d+: expected an embedding of 8 float32, got 0 bytes"),
        (3, {"image_classes": text(b"")}, "expected the features image_names, image_classes and embeddings"),
        (3, {"image_classes": int64(-1)}, "1 labels outside 0 to"),
    ],
)
def test_a_damaged_teacher(tmp_path: Path, row: int, change: dict[str, Any], message: str) -> None:
    examples = teacher_examples(tmp_path, "f4")
    examples[row] |= change
    write_by_tensorflow(tmp_path / "t.tfrecord", examples)
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path / "t.tfrecord")


def test_a_teacher_whose_settings_are_damaged(tmp_path: Path) -> None:
    """The fault is that of the first record, not that the second one has no settings."""
    path = tmp_path / "t.tfrecord"
    write_by_tensorflow(path, teacher_examples(tmp_path, "f4"))
    begins = [record.offset for record in _tfrecord.scan(PositionalFile(path))]
    whole = path.read_bytes()
    for record in (0, 3):
        damaged = bytearray(whole)
        damaged[begins[record] + 20] ^= 1
        path.write_bytes(damaged)
        if record == 0:
            with pytest.raises(CorruptRecord, match=r"record 0 at byte 0: the checksum of this record"):
                open_damaged(path)
        else:
            assert [one.place.record for one in open_damaged(path).damage] == [3]


def test_a_teacher_s_records_that_are_none_are_left_out(tmp_path: Path) -> None:
    path, examples = tmp_path / "t.tfrecord", teacher_examples(tmp_path, "f4")
    examples[4] |= {"embeddings": text(b"")}
    write_by_tensorflow(path, examples)
    begins, whole = [record.offset for record in _tfrecord.scan(PositionalFile(path))], path.read_bytes()
    path.write_bytes(whole[: begins[3]] + _tfrecord.encode_record(b"\xff") + whole[begins[4] :])
    with pytest.raises(CorruptRecord, match=r"record 3 at byte \d+: not a tf\.train\.Example"):
        open_dataset(path)
    damaged = open_damaged(path)
    assert [one.place.record for one in damaged.damage] == [3, 4] and len(damaged) == 4


def test_a_first_record_that_is_none_is_left_out(tmp_path: Path) -> None:
    path, example = tmp_path / "x.tfrecord", {"image/encoded": b"x", "image/class/label": 0}
    records = (b"\xff", _tfrecord.encode_example(example))
    path.write_bytes(b"".join(map(_tfrecord.encode_record, records)))
    damaged = open_damaged(path)
    assert [one.place.record for one in damaged.damage] == [0] and damaged.read(0) == b"x"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\xff\xff\xff", "not a tf.train.Example"),
        (b"", "expected the features image/encoded and image/class/label, got none"),
        (_tfrecord.encode_example({"image/encoded": b"x"}), "got image/encoded"),
        (_tfrecord.encode_example({"image/encoded": 3, "image/class/label": 3}), "expected the features"),
        (
            _tfrecord.encode_example({"image/encoded": b"x", "image/class/label": -1}),
            "expected class numbers as labels, got -1",
        ),
    ],
)
def test_records_that_are_no_images(tmp_path: Path, record: bytes, message: str) -> None:
    (tmp_path / "x.tfrecord").write_bytes(_tfrecord.encode_record(record))
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path)
