"""What a check finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data._images import decode_whole, image_size
from fr_models.data.check import PROBLEMS, Report, check_dataset
from PIL import Image

from tests.fr_eval.faces import encoded, face, write_faces
from tests.fr_models.data.datasets import InMemory, mixed_faces


def found(report: Report, kind: str) -> list[int | None]:
    return [problem.image for problem in report.problems if problem.kind == kind]


def jpeg_with_comment(image: bytes) -> bytes:
    """Other bytes, the same pixels: a comment after the first marker."""
    return image[:2] + b"\xff\xfe\x00\x05abc" + image[2:]


def test_nothing_wrong(shared_data: Path) -> None:
    report = check_dataset(open_dataset(shared_data / "mxnet_rec"))
    assert report.problems == () and str(report) == "600 images of 60 classes: nothing wrong"
    assert report.to_frame().empty and report.without(*PROBLEMS).tolist() == list(range(600))


def test_errata_of_lfw(shared_data: Path) -> None:
    """LFW's own list of errors names both: one photograph under two names."""
    report = check_dataset(open_dataset(shared_data / "lfw" / "aligned112"), least_images=1)
    names = {problem.class_name for problem in report.problems}
    assert names == {"Bart_Hendricks", "Ricky_Ray", "Carlos_Beltran", "Raul_Ibanez"}
    assert str(report) == "11,842 images of 4,358 classes: 4 duplicate_across"


def test_every_kind_is_found() -> None:
    base = mixed_faces(12, 5)
    base.images[:10] = [encoded(face(9, number, 40), ".jpg") for number in range(10)]
    base.labels[:] = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 3]
    base.images[2] = base.images[0]  # in its class
    base.images[5] = base.images[1]  # in another
    base.images[7] = jpeg_with_comment(base.images[6])
    base.images[9] = jpeg_with_comment(base.images[8])
    base.images[3] = base.images[3][:-300]
    base.images[10] = encoded(face(1, 1, 16))
    base.labels[4] = 9
    report = check_dataset(base)
    assert found(report, "unreadable") == [3]
    assert found(report, "label") == [4]
    assert found(report, "tiny") == [10]
    assert found(report, "duplicate") == [2]
    assert found(report, "duplicate_across") == [1, 5]
    assert found(report, "same_pixels") == [9]
    assert found(report, "same_pixels_across") == [6, 7]
    few = [(p.class_name, p.detail) for p in report.problems if p.kind == "few_images"]
    assert few == [("Zoë 2", "1 images, expected 2 or more"), ("Zoë 1", "0 images, expected 2 or more")]
    assert str(report).startswith("12 images of 5 classes: 1 unreadable, 1 label, 1 tiny, 1 duplicate, ")
    assert report.without("duplicate_across", "unreadable").tolist() == [0, 2, 4, 6, 7, 8, 9, 10, 11]
    assert report.without("few_images").tolist() == list(range(11)), "the only image of its class is 11"
    with pytest.raises(ValueError, match=r"kinds: expected some of .*unreadable, .*, got 'blurred'"):
        report.without("blurred")


def test_counts_of_duplicates_against_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    pool = [encoded(face(number, 0, 32)) for number in range(6)]
    images = [pool[row] for row in rng.integers(0, 6, 60)]
    labels = rng.integers(0, 4, 60).tolist()
    report = check_dataset(InMemory(images, labels, list("abcd")))
    within = [i for i in range(60) if any((images[j], labels[j]) == (images[i], labels[i]) for j in range(i))]
    across = [
        i for i in range(60) if any(images[j] == images[i] and labels[j] != labels[i] for j in range(60))
    ]
    assert (
        sorted(found(report, "duplicate")) == within and sorted(found(report, "duplicate_across")) == across
    )
    assert not found(report, "same_pixels") and not found(report, "same_pixels_across")


def test_images_cut_at_any_byte_are_unreadable() -> None:
    rng = np.random.default_rng(0)
    for image in (encoded(face(0, 0, 40), ".jpg"), encoded(face(0, 0, 40), ".png")):
        lengths = [*rng.integers(0, len(image), 40).tolist(), len(image) - 1, len(image) - 2]
        cut = InMemory([image[:length] for length in lengths], [0] * 42, ["a"])
        report = check_dataset(cut)
        assert found(report, "unreadable") == list(range(42))
        assert all("\n" not in p.detail and p.name not in p.detail for p in report.problems)


def test_damaged_bytes_never_break_the_check() -> None:
    rng = np.random.default_rng(1)
    images = []
    for number in range(200):
        image = bytearray(encoded(face(0, 0, 40), (".jpg", ".png")[number % 2]))
        for _ in range(rng.integers(1, 5)):
            image[rng.integers(len(image))] = rng.integers(256)
        images.append(bytes(image))
    report = check_dataset(InMemory(images, [0] * 200, ["a"]))
    unreadable = found(report, "unreadable")
    assert unreadable
    pngs = [index for index in range(1, 200, 2) if images[index] != encoded(face(0, 0, 40), ".png")]
    assert set(pngs) <= set(unreadable), "each chunk of PNG has a checksum"


def test_corrupt_records_are_named_and_counted(tmp_path: Path, shared_data: Path) -> None:
    folder = Path(shutil.copytree(shared_data / "mxnet_rec", tmp_path / "real"))
    offsets = [int(line.split()[1]) for line in (folder / "train.idx").read_text().splitlines()]
    content = bytearray((folder / "train.rec").read_bytes())
    content[offsets[5]] ^= 1  # the magic number of record 5
    content[offsets[17] + 32 : offsets[18]] = bytes(offsets[18] - offsets[17] - 32)  # the image of record 17
    (folder / "train.rec").write_bytes(content)
    report = check_dataset(open_dataset(folder))
    assert found(report, "corrupt") == [4] and found(report, "unreadable") == [16]
    corrupt, unreadable = report.problems
    assert corrupt.name.endswith(f"train.rec: record 5 at byte {offsets[5]}")
    assert "no record begins here" in corrupt.detail and unreadable.detail.startswith("neither JPEG nor PNG")


def test_report_as_table_and_json(tmp_path: Path) -> None:
    write_faces(tmp_path, 3, 1)
    (tmp_path / "name_01" / "name_01_0001.jpg").write_bytes(b"")
    report = check_dataset(open_dataset(tmp_path), least_images=1)
    frame = report.to_frame()
    assert frame.kind.tolist() == ["unreadable"] and frame.image.tolist() == [1]
    assert frame.name.iloc[0].endswith("name_01_0001.jpg") and "no bytes" in frame.detail.iloc[0]
    again = json.loads(json.dumps(report.to_json()))
    assert again["counts"]["unreadable"] == 1 and again["problems"][0]["class_name"] == "name_01"


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    check_dataset(mixed_faces(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(23, 23)]


def test_decoding_is_that_of_pillow_and_opencv() -> None:
    pixels = face(2, 2, 40)
    image = encoded(pixels)
    np.testing.assert_array_equal(np.asarray(decode_whole(image, "x")), pixels)
    assert image_size(encoded(pixels[:30]), "x") == (30, 40)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "GIF")
    with pytest.raises(ValueError, match="x: neither JPEG nor PNG, it begins with 47 49 46 38"):
        decode_whole(stream.getvalue(), "x")
