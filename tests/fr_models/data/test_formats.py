"""Which format a path holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from fr_models.data import open_dataset

from tests.fr_eval.faces import write_faces


def test_neither_a_dataset_nor_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no images")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match=r"not a dataset: expected a folder of class folders, a \.rec"):
            open_dataset(path)
    with pytest.raises(ValueError, match="missing: no such file or folder"):
        open_dataset(tmp_path / "missing")


def test_several_at_once(tmp_path: Path) -> None:
    write_faces(tmp_path, 2, 1)
    (tmp_path / "train.rec").write_bytes(b"")
    (tmp_path / "val.rec").write_bytes(b"")
    with pytest.raises(ValueError, match=r"several datasets, name one of them: train\.rec, val\.rec"):
        open_dataset(tmp_path)
