"""Conversions that stop before any one change of the disk, by a kill or by a power cut, and go on."""

from __future__ import annotations

import itertools
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fr_eval.locks import written_alone
from fr_models.data import convert, open_dataset, writing
from fr_models.data.convert import convert_dataset

from tests.fr_models.data.datasets import InMemory, files_below, mixed_faces
from tests.fr_models.data.stopping_disk import Disk, Stopped


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
            left = files_below(work)
            assert left.pop("x.npz.partial.lock") == b"" and left == expected
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


@pytest.mark.parametrize("kind", convert.FORMATS)
def test_one_process_at_a_time(tmp_path: Path, source: InMemory, kind: str) -> None:
    name = "x.npz" if kind == "npz" else "x"
    for output in {tmp_path / name, tmp_path / "x"}:
        with (
            written_alone(output),
            pytest.raises(ValueError, match=f"^{output}: another process is writing it$"),
        ):
            convert_dataset(source, tmp_path / name, kind)
        assert files_below(tmp_path) == {}
    convert_dataset(source, tmp_path / name, kind)
    assert not list(tmp_path.glob("*.partial*"))


def test_unfinished_work_that_lost_bytes_is_refused(tmp_path: Path, source: InMemory) -> None:
    (tmp_path / "train.rec").write_bytes(bytes(10))
    writer = writing.RecordIOWriter(tmp_path, source.labels, source.class_names)
    with pytest.raises(ValueError, match=r"train\.rec: 10 bytes of unfinished work, expected 12"):
        writer.resume(1, 12)
    writer.close()
