"""Every format to every other and back; conversions that are killed, and outputs that are damaged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import permutations
from pathlib import Path

import pytest
from fr_models.data import Dataset, convert, open_dataset, writing
from fr_models.data.convert import FORMATS, convert_dataset
from fr_models.data.selection import Selection, write_selection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_eval.faces import write_faces
from tests.fr_models.data.datasets import InMemory, files_below, mixed_faces


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush after every 4 images, and begin a shard after every 10."""
    monkeypatch.setattr(convert, "READ_IMAGES", 2)
    monkeypatch.setattr(convert, "FLUSHED_BLOCKS", 2)
    monkeypatch.setattr(writing, "IMAGES_PER_SHARD", 10)


def place(folder: Path, kind: str) -> Path:
    return folder / (f"{kind}.npz" if kind == "npz" else kind)


@pytest.mark.parametrize(("first", "second"), list(permutations(FORMATS, 2)))
def test_every_format_to_every_other_and_back(
    tmp_path: Path, small_steps: None, first: str, second: str
) -> None:
    source = mixed_faces()
    written, paths = (
        source,
        [place(tmp_path, first), place(tmp_path, second), place(tmp_path / "back", first)],
    )
    for path, kind in zip(paths, (first, second, first), strict=True):
        done = convert_dataset(written, path, kind)
        written = open_dataset(path)
        assert done.sha256 == written.digest() == source.digest()
        assert written.class_names == source.class_names and len(written) == done.images == 23
    contents = [(int(label), written.read(index)) for index, label in enumerate(written.labels)]
    assert sorted(contents) == sorted(zip(source.labels.tolist(), source.images, strict=True))
    if first == "recordio" or (first == "folders" and second != "npz"):
        assert files_below(paths[0]) == files_below(paths[2])
    assert not list(tmp_path.rglob("*.partial*"))


def test_recordio_is_what_mxnet_writes(tmp_path: Path, shared_data: Path) -> None:
    theirs = shared_data / "mxnet_rec"
    source = open_dataset(theirs)
    convert_dataset(source, tmp_path / "tf", "tfrecord")
    convert_dataset(open_dataset(tmp_path / "tf"), tmp_path / "ours", "recordio")
    for name in ("train.rec", "train.idx"):
        assert (tmp_path / "ours" / name).read_bytes() == (theirs / name).read_bytes()
    assert (tmp_path / "ours" / "property").read_text().strip() == (theirs / "property").read_text().strip()
    (tmp_path / "ours" / "classes.txt").unlink()
    assert open_dataset(tmp_path / "ours").class_names == source.class_names  # by the list


def test_real_faces_through_all_formats(tmp_path: Path, shared_data: Path) -> None:
    source = open_dataset(shared_data / "mxnet_rec")
    done = convert_dataset(source, tmp_path / "faces", "folders")
    assert done.sha256 == source.digest()
    lines = (shared_data / "mxnet_rec" / "train.lst").read_text().splitlines()
    dataset = open_dataset(tmp_path / "faces")
    for index in (0, 255, 256, 599):
        original = shared_data / "lfw" / "aligned112" / lines[index].split("\t")[2]
        assert dataset.read(index) == original.read_bytes()


class Killed(Exception):
    """Stands for a process that ends at once."""


class Dying(InMemory):
    """Cannot be read any more after so many images."""

    def __init__(self, source: InMemory, after: int) -> None:
        super().__init__(source.images, source.labels.tolist(), source.class_names)
        self.after = after

    def read(self, index: int) -> bytes:
        self.after -= 1
        if self.after < 0:
            raise Killed
        return super().read(index)


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord"])
def test_interrupted_anywhere_it_goes_on(
    tmp_path: Path, small_steps: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source = mixed_faces()
    convert_dataset(source, tmp_path / "expected", kind)
    written: list[str] = []
    append = writing.Writer.append
    monkeypatch.setattr(
        writing.Writer, "append", lambda self, image, name: (written.append(name), append(self, image, name))
    )
    for after in range(len(source), 2 * len(source)):  # the fingerprint reads all of so few images, too
        written.clear()
        output = tmp_path / f"{after}"
        with pytest.raises(Killed):
            convert_dataset(Dying(source, after), output, kind)
        assert not output.exists()
        for growing in sorted((tmp_path / f"{after}.partial").glob("train*.*rec*"))[-1:]:
            with growing.open("ab") as file:
                file.write(b"what was not flushed")
        convert_dataset(source, output, kind)
        assert len(written) <= len(source) + 4, "only what was not flushed is written again"
        assert files_below(output) == files_below(tmp_path / "expected")


SLOW_CONVERSION = """
import sys, time
from pathlib import Path
from fr_models.data import convert, open_dataset, writing
convert.READ_IMAGES, convert.FLUSHED_BLOCKS, writing.IMAGES_PER_SHARD = 4, 1, 30
append = writing.Writer.append
def slow(self, image, name):
    time.sleep(0.004)
    append(self, image, name)
writing.Writer.append = slow
print("began", flush=True)
convert.convert_dataset(open_dataset(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
"""


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord"])
def test_killed_processes(tmp_path: Path, kind: str) -> None:
    write_faces(tmp_path / "faces", 20, 6)
    command = [sys.executable, "-c", SLOW_CONVERSION, "faces", "output", kind]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    journal = tmp_path / "output.partial.json"
    progress = []
    for pause in (0.10, 0.13):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "began\n"
            deadline = time.monotonic() + 30
            before = journal.read_bytes() if journal.exists() else b""
            while not (journal.exists() and journal.read_bytes() != before) and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "output").exists()
        progress.append(journal.read_text())
    assert progress[0] != progress[1]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert open_dataset(tmp_path / "output").digest() == open_dataset(tmp_path / "faces").digest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "output"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=30)), min_size=1, max_size=12), st.randoms())
def test_any_bytes_survive(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[int, bytes]], random: object
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    first = mixed_faces(4).images[0]  # RecordIO notes the size of the first image
    images = [first, *(b"\xff\xd8\xff" + content + b"\x0a\x23\xd7\xce" * 2 for _, content in samples)]
    source = InMemory(images, [0, *(label for label, _ in samples)], ["a", "b", "c", "d"])
    written: Dataset = source
    for kind in ("recordio", "tfrecord", "folders"):
        convert_dataset(written, folder / kind, kind)
        written = open_dataset(folder / kind)
    assert written.digest() == source.digest()


def test_what_differs_when_read_again_never_gets_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = mixed_faces()
    write = writing.FolderWriter._write

    def write_wrongly(self: writing.FolderWriter, image: bytes, name: str) -> None:
        write(self, image + b"\0" if self.written == 7 else image, name)

    monkeypatch.setattr(writing.FolderWriter, "_write", write_wrongly)
    with pytest.raises(ValueError, match=r"00000008\.\w+: read again, it differs from image \d+$"):
        convert_dataset(source, tmp_path / "faces", "folders")
    assert not (tmp_path / "faces").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_not_unfinished_work_of_a_conversion_stays(tmp_path: Path, kind: str) -> None:
    """Somebody's folder may have that name, and so may somebody's file."""
    write_faces(tmp_path / "x.partial", 3, 3)
    (tmp_path / "y.partial").write_text("notes")
    before = files_below(tmp_path)
    for name in ("x", "y"):
        output = tmp_path / (f"{name}.npz" if kind == "npz" else name)
        message = rf"{name}\.partial: exists, and is no unfinished work of this command$"
        with pytest.raises(ValueError, match=message):
            convert_dataset(mixed_faces(), output, kind)
    assert files_below(tmp_path) == before


def test_json_of_others_with_the_name_of_the_journal_stays(tmp_path: Path) -> None:
    (tmp_path / "x.partial.json").write_text('{"years": "of work"}')
    with pytest.raises(ValueError, match=r"x\.partial\.json: damaged"):
        convert_dataset(mixed_faces(), tmp_path / "x", "folders")
    assert files_below(tmp_path) == {"x.partial.json": b'{"years": "of work"}'}


def test_work_of_which_nothing_was_finished_is_in_nobodys_way(tmp_path: Path) -> None:
    source = InMemory(mixed_faces(4).images, [0, 0, 0, 0], ["a/b"])
    with pytest.raises(ValueError, match="expected a name that a folder can have"):
        convert_dataset(source, tmp_path / "x", "folders")
    done = convert_dataset(source, tmp_path / "x", "tfrecord")
    assert open_dataset(tmp_path / "x").digest() == done.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_unfinished_work_of_another_dataset(tmp_path: Path, small_steps: None) -> None:
    with pytest.raises(Killed):
        convert_dataset(Dying(mixed_faces(), 40), tmp_path / "x", "recordio")
    with pytest.raises(
        ValueError,
        match=r"x\.partial: unfinished work with another source; delete it and x\.partial\.json",
    ):
        convert_dataset(mixed_faces(24), tmp_path / "x", "recordio")
    with pytest.raises(ValueError, match="unfinished work with another format"):
        convert_dataset(mixed_faces(), tmp_path / "x", "tfrecord")
    (tmp_path / "x.partial.json").write_text("{")
    with pytest.raises(
        ValueError, match=r"x\.partial\.json: damaged; delete it and x\.partial to start again"
    ):
        convert_dataset(mixed_faces(), tmp_path / "x", "recordio")
    shutil.rmtree(tmp_path / "x.partial")
    (tmp_path / "x.partial.json").unlink()
    done = convert_dataset(mixed_faces(), tmp_path / "x", "recordio")
    assert open_dataset(tmp_path / "x").digest() == done.sha256


@pytest.mark.parametrize(
    ("images", "names", "kind", "message"),
    [
        ([b"GIF89a"], ["a"], "folders", "image 0: neither JPEG nor PNG, it begins with 47 49 46"),
        ([b"GIF89a"], ["a"], "tfrecord", "image 0: neither JPEG nor PNG"),
        ([b"\xff\xd8\xff"], ["a"], "recordio", "image 0: cannot be decoded"),
        ([b"\xff\xd8\xff"], ["a/b"], "folders", "class 'a/b': expected a name that a folder can have"),
        ([b"\xff\xd8\xff"], [".."], "folders", r"class '\.\.': expected a name that a folder can have"),
        ([b"\xff\xd8\xff"], ["a\nb"], "recordio", "expected names of classes on one line each"),
    ],
)
def test_what_a_format_cannot_hold(
    tmp_path: Path, images: list[bytes], names: list[str], kind: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        convert_dataset(InMemory(images, [0], names), tmp_path / "x", kind)
    assert not (tmp_path / "x").exists()


def test_existing_outputs_and_other_formats(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match="x: exists, expected a new name"):
        convert_dataset(mixed_faces(), tmp_path / "x", "folders")
    with pytest.raises(ValueError, match="expected one of folders, recordio, tfrecord, npz, got 'lmdb'"):
        convert_dataset(mixed_faces(), tmp_path / "y", "lmdb")
    with pytest.raises(ValueError, match=r"y: expected the suffix \.npz"):
        convert_dataset(mixed_faces(), tmp_path / "y", "npz")


@pytest.mark.parametrize("kind", ["folders", "recordio", "tfrecord"])
@pytest.mark.parametrize("to", FORMATS)
def test_outputs_inside_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, to: str
) -> None:
    """They would be a class, or a second dataset; so would they in what a selection is of."""
    monkeypatch.chdir(tmp_path)
    convert_dataset(mixed_faces(), Path("data"), kind)
    write_selection(Path("some.npz"), Selection(open_dataset("data"), [0, 3]), Path("data"))
    Path("link").symlink_to("data")
    before = files_below(tmp_path)
    for source in ("data", "some.npz"):
        for inside in ("data/in", "data/a/deep", "link/in", "./x/../data/in"):
            output = Path(f"{inside}.npz" if to == "npz" else inside)
            with pytest.raises(ValueError, match=rf"{output}: lies in data, the dataset's folder, expected"):
                convert_dataset(open_dataset(source), output, to)
    assert files_below(tmp_path) == before
    done = convert_dataset(open_dataset("some.npz"), tmp_path / "data2", "tfrecord")
    assert done.images == 2


def test_npz_never_lists_another_dataset_s_files(tmp_path: Path) -> None:
    write_faces(tmp_path / "list", 5, 3)
    with pytest.raises(ValueError, match="labels or class names differ from the source's"):
        convert_dataset(mixed_faces(), tmp_path / "list.npz", "npz")
    assert not (tmp_path / "list.npz").exists()
