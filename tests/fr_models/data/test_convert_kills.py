"""Conversions that stop before any one change of the disk, by a kill or by a power cut, and go on."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models.data import convert, open_dataset, writing
from fr_models.data.convert import convert_dataset

from tests.fr_models.data.datasets import InMemory, files_below, mixed_faces


class Stopped(BaseException):
    """Stands for a process that ends at once: nothing after it changes the disk."""


class Disk:
    """Stops before one of the calls that change names or wait for the disk, and knows what was synced."""

    CALLS = ("replace", "unlink", "rmdir", "mkdir", "fsync")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
        self.left = stop
        self.synced: dict[int, int] = {}  # bytes by inode
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._stopping(name, getattr(os, name)))

    def _stopping(self, name: str, call: Any) -> Any:
        def stopping(*arguments: Any, **keywords: Any) -> Any:
            if self.left <= 0:
                raise Stopped
            self.left -= 1
            if name == "fsync":
                state = os.fstat(arguments[0])
                self.synced[state.st_ino] = state.st_size
                return None
            if name in ("replace", "unlink"):  # the number of the file that goes can be used again
                gone = Path(arguments[-1]) if name == "replace" else arguments[0]
                if keywords.get("dir_fd") is not None or os.path.lexists(gone):
                    self.synced.pop(os.stat(gone, dir_fd=keywords.get("dir_fd")).st_ino, None)
            return call(*arguments, **keywords)

        return stopping

    def lose_power(self, folder: Path) -> None:
        """Cut files to what was synced of them."""
        for path in folder.rglob("*"):
            if path.is_file():
                state = path.stat()
                os.truncate(path, min(self.synced.get(state.st_ino, 0), state.st_size))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """11 images with embeddings; a flush after every 4, a shard of 5."""
    monkeypatch.setattr(convert, "READ_IMAGES", 2)
    monkeypatch.setattr(convert, "FLUSHED_BLOCKS", 2)
    monkeypatch.setattr(writing, "IMAGES_PER_SHARD", 5)
    faces = mixed_faces(11, 4)
    faces.embeddings = np.arange(1, 23, dtype=np.float32).reshape(11, 2)
    return faces


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord", "npz"])
def test_stopped_anywhere_it_goes_on(
    tmp_path: Path, source: InMemory, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = "x.npz" if kind == "npz" else "x"
    convert_dataset(source, tmp_path / "expected" / name, kind)
    expected = files_below(tmp_path / "expected")
    appended: list[str] = []
    append = writing.Writer.append
    monkeypatch.setattr(
        writing.Writer, "append", lambda self, image, of: (appended.append(of), append(self, image, of))
    )
    work = tmp_path / "work"
    for stop in itertools.count():
        appended.clear()
        with monkeypatch.context() as patched:
            disk, is_done = Disk(patched, stop), False
            with suppress(Stopped):
                convert_dataset(source, work / name, kind)
                is_done = True
        disk.lose_power(work)
        if is_done:
            break
        before = len(appended)
        for path, content in files_below(work).items():
            assert content == expected.get(path, content), f"{path} looks whole and is not, stop {stop}"
        if kind == "npz" and (work / name).exists():
            assert files_below(work) == expected
            shutil.rmtree(work)
            continue
        done = convert_dataset(source, work / name, kind)
        assert files_below(work) == expected, f"stop {stop}"
        assert len(appended) <= 11 + 4, f"{before} written before stop {stop}, {len(appended)} in all"
        assert done.sha256 == source.digest() and done.images == 11
        shutil.rmtree(work)
    assert files_below(work) == expected
    assert stop > 20, "there are that many places"


def test_a_stop_behind_the_name_is_no_other_output(tmp_path: Path, source: InMemory) -> None:
    """A journal beside an output that another conversion has written does not give it away."""
    convert_dataset(source, tmp_path / "x", "folders")
    (tmp_path / "x.partial.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.partial\.json: damaged"):
        convert_dataset(source, tmp_path / "x", "folders")
    assert open_dataset(tmp_path / "x").digest() == source.digest()


def test_unfinished_work_that_lost_bytes_is_refused(tmp_path: Path, source: InMemory) -> None:
    (tmp_path / "train.rec").write_bytes(bytes(10))
    writer = writing.RecordIOWriter(tmp_path, source.labels, source.class_names)
    with pytest.raises(ValueError, match=r"train\.rec: 10 bytes of unfinished work, expected 12"):
        writer.resume(1, 12)
    writer.close()
