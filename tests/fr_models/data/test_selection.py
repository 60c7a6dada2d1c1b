"""Selections of all formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval.embeddings import save_arrays
from fr_models.data import open_dataset
from fr_models.data.convert import convert_dataset
from fr_models.data.drop import clean_by_sub_centers
from fr_models.data.selection import Selection, write_selection

from tests.fr_models.data.datasets import InMemory, mixed_faces


@pytest.fixture
def source() -> InMemory:
    return mixed_faces()


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord"])
def test_written_and_opened(tmp_path: Path, source: InMemory, kind: str) -> None:
    convert_dataset(source, tmp_path / "whole", kind)
    whole = open_dataset(tmp_path / "whole")
    selection = Selection(whole, [5, 1, 9], [1, 0, 1], ["a", "b"])
    write_selection(tmp_path / "some.npz", selection, tmp_path / "whole")
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-{kind}"))
    opened = open_dataset(moved / "some.npz")
    whole = open_dataset(moved / "whole")
    assert [opened.read(index) for index in range(3)] == [whole.read(row) for row in (5, 1, 9)]
    assert opened.labels.tolist() == [1, 0, 1] and opened.class_names == ["a", "b"]
    assert (opened.paths() is None) == (kind != "folders")


def test_a_source_that_changed_is_refused(tmp_path: Path, source: InMemory) -> None:
    convert_dataset(source, tmp_path / "whole", "folders")
    write_selection(
        tmp_path / "some.npz", Selection(open_dataset(tmp_path / "whole"), [0]), tmp_path / "whole"
    )
    first = Path(open_dataset(tmp_path / "whole").name(0))
    first.write_bytes(first.read_bytes() + b"\0")
    with pytest.raises(
        ValueError, match=r"some\.npz: selected from other images, labels or classes than .*whole"
    ):
        open_dataset(tmp_path / "some.npz")


def test_classes_without_images_are_left_out(source: InMemory) -> None:
    rows = np.flatnonzero(source.labels >= 2)
    left = Selection(source, rows).without_empty_classes()
    assert left.class_names == source.class_names[2:4]
    assert left.labels.tolist() == (source.labels[rows] - 2).tolist()


class Recorded:
    """A matrix that notes which of its rows are read."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype
        self.read: list[list[int]] = []

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.read.append(np.atleast_1d(rows).tolist())
        return self.matrix[rows]


def test_embeddings_are_read_when_they_are_asked_for(source: InMemory) -> None:
    matrix = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
    recorded = source.embeddings = Recorded(matrix)  # type: ignore[assignment]
    chosen = Selection(Selection(source, [4, 2, 22, 9]), [3, 0, 2])
    view = chosen.without_empty_classes().embeddings
    assert view is not None and view.shape == (3, 3) and len(view) == 3 and view.dtype == np.float32
    assert recorded.read == []
    np.testing.assert_array_equal(view[1:], matrix[[4, 22]])
    np.testing.assert_array_equal(view[0], matrix[9])
    np.testing.assert_array_equal(view[np.array([True, False, True])], matrix[[9, 22]])
    assert recorded.read == [[4, 22], [9], [9, 22]]
    np.testing.assert_array_equal(np.asarray(view), matrix[[9, 4, 22]])
    assert np.asarray(view, np.float64).dtype == np.float64
    with pytest.raises(IndexError):
        view[3]


def test_cleaning_a_selection_of_a_mapped_file(tmp_path: Path, source: InMemory) -> None:
    rng = np.random.default_rng(1)
    np.save(tmp_path / "teacher.npy", rng.normal(size=(23, 6)).astype(np.float32))
    source.embeddings = np.load(tmp_path / "teacher.npy", mmap_mode="r")
    chosen = Selection(source, np.arange(22, 3, -2))
    matrix = rng.normal(size=(10, 6)).astype(np.float32)
    assert chosen.embeddings is not None
    found = clean_by_sub_centers(chosen, chosen.embeddings, matrix)
    expected = clean_by_sub_centers(chosen, np.asarray(chosen.embeddings), matrix)
    np.testing.assert_array_equal(found.angles, expected.angles)
    np.testing.assert_array_equal(found.counts, expected.counts)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([23], None, "expected rows 0 to 22, got 23 to 23"),
        ([-1], None, "expected rows 0 to 22, got -1 to -1"),
        ([0.0], None, r"expected rows as a vector of integers, got float64 \[1\]"),
        ([], None, "selection: no images are left"),
        ([1, 2], [0], "2 rows but 1 labels"),
        ([1], [5], "1 labels outside 0 to 4"),
    ],
)
def test_wrong_rows(source: InMemory, rows: list[int], labels: list[int] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Selection(source, rows, labels)


def test_a_selection_of_itself(tmp_path: Path) -> None:
    arrays = {"rows": np.array([0]), "labels": np.array([0]), "class_names": np.array(["a"])}
    text = {"source": np.array(["self.npz"]), "source_fingerprint": np.array(["0"])}
    save_arrays(tmp_path / "self.npz", {**arrays, **text})
    with pytest.raises(
        ValueError, match=r"self\.npz: a selection or embeddings of a dataset that leads back"
    ):
        open_dataset(tmp_path / "self.npz")
    save_arrays(tmp_path / "self.npz", {**arrays, **text, "source": np.array(["a", "b"])})
    with pytest.raises(ValueError, match="expected one source and one fingerprint, got 2 and 1"):
        open_dataset(tmp_path / "self.npz")


def test_only_npz(tmp_path: Path, source: InMemory) -> None:
    with pytest.raises(ValueError, match=r"expected a \.npz file to write a selection to"):
        write_selection(tmp_path / "some.txt", Selection(source, [0]), tmp_path)
