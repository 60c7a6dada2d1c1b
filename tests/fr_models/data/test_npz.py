"""Lists of files in ``.npz``, as Keras_insightface writes them, and hostile ones."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models.data import open_dataset
from fr_models.data.npz import NpzDataset, write_npz
from hypothesis import given
from hypothesis import strategies as st

from tests.fr_eval.faces import write_faces
from tests.fr_models.data.datasets import mixed_faces


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, Any]:
    """What the reference's cache of a folder holds: shuffled, without names of classes."""
    names = write_faces(tmp_path / "faces", 4, 3)
    order = np.random.default_rng(0).permutation(len(names))
    return {
        "image_names": np.array([f"faces/{names[row]}" for row in order]),
        "image_classes": np.array([row // 3 for row in order]),
    }


def test_cache_of_the_reference(tmp_path: Path, cache: dict[str, Any]) -> None:
    np.savez_compressed(tmp_path / "faces_shuffle.npz", **cache)
    dataset = open_dataset(tmp_path / "faces_shuffle.npz")
    assert isinstance(dataset, NpzDataset)
    assert dataset.labels.tolist() == cache["image_classes"].tolist()
    assert dataset.class_names == ["name_00", "name_01", "name_02", "name_03"]
    assert dataset.read(0) == (tmp_path / str(cache["image_names"][0])).read_bytes()
    assert dataset.paths()[0] == dataset.name(0) and dataset.embeddings is None
    assert dataset.digest() == open_dataset(tmp_path / "faces").digest()


def test_paths_are_relative_to_the_file_or_else_to_the_current_folder(
    tmp_path: Path, cache: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "caches"
    elsewhere.mkdir()
    np.savez(elsewhere / "faces.npz", **cache)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        open_dataset(elsewhere / "faces.npz").read(0)
    monkeypatch.chdir(tmp_path)
    assert open_dataset(elsewhere / "faces.npz").read(0)
    absolute = [str(tmp_path / name) for name in cache["image_names"]]
    np.savez(elsewhere / "faces.npz", **{**cache, "image_names": np.array(absolute)})
    monkeypatch.chdir("/")
    assert open_dataset(elsewhere / "faces.npz").read(0)


def test_embeddings(tmp_path: Path, cache: dict[str, Any]) -> None:
    embeddings = np.random.default_rng(0).normal(size=(12, 8))
    np.savez(tmp_path / "x.npz", **cache, embeddings=embeddings.astype(np.float16))
    dataset = open_dataset(tmp_path / "x.npz")
    assert dataset.embeddings is not None and dataset.embeddings.dtype == np.float32
    np.testing.assert_array_equal(dataset.embeddings, embeddings.astype(np.float16).astype(np.float32))


def test_write_and_read(tmp_path: Path, cache: dict[str, Any]) -> None:
    np.savez(tmp_path / "x.npz", **cache, embeddings=np.ones((12, 2), np.float32))
    source = open_dataset(tmp_path / "x.npz")
    write_npz(tmp_path / "y.npz", source)
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    dataset = open_dataset(moved / "y.npz")
    assert dataset.class_names == source.class_names and dataset.embeddings is not None
    assert dataset.digest() == open_dataset(moved / "faces").digest()
    with np.load(moved / "y.npz") as stored:  # as the reference does
        assert stored["image_names"].tolist() == cache["image_names"].tolist()
        assert stored["image_classes"].tolist() == cache["image_classes"].tolist()


def test_records_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a \.npz file lists image files, and image 0 is none"):
        write_npz(tmp_path / "x.npz", mixed_faces())


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


def test_pickled_arrays_are_refused_and_never_run(
    tmp_path: Path, cache: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = np.array(list(cache["image_names"]), dtype=object)
    np.savez(tmp_path / "x.npz", **{**cache, "image_names": names})
    expected = (
        r"image_names: an array of Python objects, .* write it anew with np\.load\(.*\)\['image_names'\]"
    )
    with pytest.raises(ValueError, match=expected):
        open_dataset(tmp_path / "x.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("image_names.npy", header.getvalue() + pickle.dumps(Bomb()))
        archive.writestr("image_classes.npy", pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="image_names: an array of Python objects"):
        open_dataset(tmp_path / "x.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_classes": None}, "no array 'image_classes', found image_names"),
        ({"image_classes": np.zeros(11, int)}, "12 image_names but 11 image_classes"),
        (
            {"image_classes": np.zeros((12, 4), int)},
            r"expected labels as a vector of integers, got int64 \[12, 4\]",
        ),
        ({"image_classes": np.zeros(12)}, "expected labels as a vector of integers, got float64"),
        ({"image_classes": np.full(12, -1)}, "12 labels outside 0 to"),
        ({"image_classes": np.full(12, 2**40)}, "12 labels outside 0 to 2147483647: the first is"),
        ({"image_names": np.array([b"x"] * 12)}, "expected a vector of unicode strings, got |S1"),
        ({"image_names": np.array("x")}, "expected a vector of unicode strings"),
        ({"class_names": np.array(["a", "b"])}, "6 labels outside 0 to 1: the first is"),
        ({"class_names": np.array(["a", "b", "c", "a"])}, "two classes have the name 'a'"),
        ({"embeddings": np.ones((11, 2), np.float32)}, "11 embeddings of 12 images"),
        ({"embeddings": np.zeros((12, 2), np.float32)}, "embeddings row 0 is all zeros"),
        ({"embeddings": np.ones((12, 2), np.int64)}, "embeddings have dtype int64, expected floats"),
        ({"image_names": np.array([], str), "image_classes": np.array([], int)}, "no images"),
    ],
)
def test_wrong_arrays(tmp_path: Path, cache: dict[str, Any], change: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in {**cache, **change}.items() if array is not None}
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match=message) as raised:
        open_dataset(tmp_path / "x.npz")
    assert "\n" not in str(raised.value) and "x.npz" in str(raised.value)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_damaged_archive_gives_an_error_or_the_same(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    arrays = {"image_names": np.array(["a/1.jpg", "b/1.jpg"]), "image_classes": np.array([0, 1])}
    np.savez(path, **arrays)
    damaged = bytearray(path.read_bytes())
    damaged[position % len(damaged)] ^= change
    path.write_bytes(damaged)
    try:
        dataset = open_dataset(path)
    except ValueError as error:
        assert "x.npz" in str(error)  # noqa: PT017  either outcome is right
    else:
        assert dataset.labels.tolist() == [0, 1] and dataset.paths()[1].endswith("b/1.jpg")


def test_cut_archive(tmp_path: Path, cache: dict[str, Any]) -> None:
    np.savez(tmp_path / "x.npz", **cache)
    whole = (tmp_path / "x.npz").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.npz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.npz: not a \.npz archive, or cut short"):
            open_dataset(tmp_path / "x.npz")
