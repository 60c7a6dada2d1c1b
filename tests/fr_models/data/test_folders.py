"""Class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.folders import FolderDataset

from tests.fr_eval.faces import encoded, face, write_faces


def write(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        suffix = ".png" if name.lower().endswith(".png") else ".jpg"
        (folder / name).write_bytes(encoded(face(number, 0, 16), suffix))


def test_order_of_classes_and_files(tmp_path: Path) -> None:
    write(tmp_path, "n10/a.jpg", "n2/10.JPG", "n2/9.png", "n2/007.jpeg", "2/a.PNG", "10/a.jpg")
    (tmp_path / "n3").mkdir()
    (tmp_path / "n2" / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ["2", "10", "n2", "n3", "n10"]
    assert dataset.labels.dtype == np.int64 and dataset.labels.tolist() == [0, 1, 2, 2, 2, 4]
    assert dataset.name(2) == f"{tmp_path}/n2/007.jpeg"
    assert dataset.paths() == [dataset.name(index) for index in range(6)]
    assert [Path(name).name for name in dataset.paths()[2:5]] == ["007.jpeg", "9.png", "10.JPG"]
    assert dataset.read(0) == (tmp_path / "2" / "a.PNG").read_bytes()


def test_classes_file_sets_the_order(tmp_path: Path) -> None:
    write(tmp_path, "a/1.jpg", "b/1.jpg")
    before = open_dataset(tmp_path).digest()
    (tmp_path / "classes.txt").write_text("b\na\n")
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ["b", "a"] and dataset.name(0).endswith("b/1.jpg")
    assert dataset.digest() != before
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert open_dataset(tmp_path).digest() == before


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1.jpg", "stray.jpg"], "1 images in no class folder"),
        (["a/1.jpg", "a/deeper/1.jpg"], "folders inside a class folder, expected images: deeper"),
        (["a/1.jpg", "a/2.webp"], "1 images that are neither JPEG nor PNG"),
        (["a/notes.txt"], "no images in its folders, expected .jpg, .jpeg, .png"),
    ],
)
def test_images_are_never_missed(tmp_path: Path, names: list[str], message: str) -> None:
    write(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        FolderDataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a\n", "names other classes than there are folders: b"),
        (b"a\nb\nb\n", "two classes have the name 'b'"),
        (b"a\n\nb\n", "expected names of classes on one line each, got ''"),
        (b"\xff\xfea\n", "not UTF-8 text"),
    ],
)
def test_wrong_classes_file(tmp_path: Path, text: bytes, message: str) -> None:
    write(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "classes.txt").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        FolderDataset(tmp_path)


def test_a_file_that_vanishes_or_is_empty(tmp_path: Path) -> None:
    write(tmp_path, "a/1.jpg", "a/2.jpg")
    dataset = FolderDataset(tmp_path)
    (tmp_path / "a" / "1.jpg").unlink()
    (tmp_path / "a" / "2.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a/1\.jpg: cannot be read: No such file"):
        dataset.read(0)
    with pytest.raises(ValueError, match=r"a/2\.jpg: no bytes, expected an image"):
        dataset.read(1)


def test_digest_knows_bytes_labels_and_names(tmp_path: Path) -> None:
    digests = []
    for number in range(5):
        folder = tmp_path / str(number)
        write_faces(folder, 3, 2)
        if number == 1:
            (folder / "name_00" / "name_00_0001.jpg").rename(folder / "name_00" / "other.jpg")  # no change
        if number == 2:
            (folder / "name_00" / "name_00_0001.jpg").rename(folder / "name_01" / "other.jpg")
        if number == 3:
            (folder / "name_02").rename(folder / "name_03")
        if number == 4:
            image = folder / "name_02" / "name_02_0001.jpg"
            image.write_bytes(image.read_bytes() + b"\0")
        digests.append(open_dataset(folder).digest())
    assert digests[0] == digests[1] and len(set(digests)) == 4


def test_real_folder(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "lfw" / "aligned112")
    assert len(dataset) == 11_842 and len(dataset.class_names) == 4_358
    assert np.bincount(dataset.labels)[dataset.class_names.index("George_W_Bush")] == 530
    assert dataset.class_names == sorted(dataset.class_names)
