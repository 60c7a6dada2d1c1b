"""Selections of all formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval.embeddings import save_arrays
from fr_models.data import open_dataset
from fr_models.data.convert import convert_dataset
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


def test_embeddings_are_selected(source: InMemory) -> None:
    source.embeddings = np.arange(23, dtype=np.float32)[:, None]
    assert Selection(source, [4, 2]).embeddings.tolist() == [[4.0], [2.0]]


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
