"""Checks that are killed, or lose power, at any moment go on, and then say what one in a single run says."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_eval.locks import locked
from fr_models.data import _digest, _examination, open_dataset
from fr_models.data.check import Report, check_dataset, forget
from fr_models.data.convert import convert_dataset
from fr_models.data.distillation import write_embeddings
from fr_models.data.formats import open_damaged
from fr_models.data.selection import Selection, write_selection

from tests.fr_eval.faces import encoded, face, write_faces
from tests.fr_models.data.datasets import InMemory, files_below, mixed_faces
from tests.fr_models.data.stopping_disk import Disk, Stopped


def write_folders(folder: Path) -> Path:
    """22 images; of each kind of problem that images have in files there is one at least."""
    write_faces(folder, 6, 3)
    good = [(folder / "name_00" / f"name_00_000{number}.jpg").read_bytes() for number in (1, 2)]
    (folder / "name_01" / "name_01_0002.jpg").write_bytes(b"no image")
    (folder / "name_02" / "name_02_0001.jpg").write_bytes(good[1][:-200])
    (folder / "name_00" / "again.jpg").write_bytes(good[0])
    (folder / "name_04" / "stranger.jpg").write_bytes(good[0])
    (folder / "name_05" / "comment.jpg").write_bytes(good[1][:2] + b"\xff\xfe\x00\x05abc" + good[1][2:])
    (folder / "name_03" / "small.png").write_bytes(encoded(face(1, 1, 16)))
    return folder


def write_records(folder: Path) -> Path:
    """22 images in RecordIO, two records of which are corrupt, and one holds no image."""
    labels = [index // 4 for index in range(22)]
    images = [encoded(face(label, index, 40), ".jpg") for index, label in enumerate(labels)]
    images[9] = images[1]
    convert_dataset(InMemory(images, labels, list("abcdef")), folder, "recordio")
    begins = record_begins(folder)
    content = bytearray((folder / "train.rec").read_bytes())
    for record in (4, 11):
        content[begins[record]] ^= 1
    content[begins[6] + 32 : begins[7]] = bytes(begins[7] - begins[6] - 32)
    (folder / "train.rec").write_bytes(content)
    return folder


def write_cut_records(folder: Path) -> Path:
    """The same without the tail, so that labels of corrupt records are not known."""
    path = write_records(folder) / "train.rec"
    os.truncate(path, record_begins(folder)[21] + 9)
    return folder


def record_begins(folder: Path) -> list[int]:
    return [int(line.split()[1]) for line in (folder / "train.idx").read_text().splitlines()]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of images as they are decoded; finished ones are kept after every 4."""
    names: list[str] = []
    row_of = _examination._row_of

    def noting(image: bytes, name: str) -> Any:
        names.append(name)
        return row_of(image, name)

    monkeypatch.setattr(_examination, "BLOCK_IMAGES", 2)
    monkeypatch.setattr(_examination, "KEPT_BLOCKS", 2)
    monkeypatch.setattr(_examination, "_row_of", noting)
    monkeypatch.setattr(_digest, "FINGERPRINT_IMAGES", 2)
    return names


@pytest.mark.parametrize(
    ("write", "kinds"),
    [
        (write_folders, "unreadable tiny duplicate duplicate_across same_pixels_across"),
        (write_records, "corrupt unreadable duplicate_across"),
        (write_cut_records, "truncated corrupt unreadable duplicate_across"),
    ],
    ids=["folders", "recordio", "cut recordio"],
)
def test_stopped_anywhere_it_goes_on(
    tmp_path: Path,
    looked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], Path],
    kinds: str,
) -> None:
    data, work = write(tmp_path / "data"), tmp_path / "work"
    expected = check_dataset(open_damaged(data))
    assert {kind for kind, count in expected.counts().items() if count} >= set(kinds.split())
    once, partial = len(looked), work / "x.partial"
    unreadable = expected.counts()["unreadable"]
    for stop in itertools.count():
        looked.clear()
        with monkeypatch.context() as patched:
            disk, is_checked, is_done = Disk(patched, stop), False, False
            with suppress(Stopped):
                check_dataset(open_damaged(data), partial=partial)
                is_checked = True
                forget(partial)
                is_done = True
        disk.lose_power(work)
        if is_done:
            break
        before = len(looked)
        assert check_dataset(open_damaged(data), partial=partial) == expected, f"stop {stop}"
        assert is_checked or len(looked) <= once + unreadable + 4, f"{before} before stop {stop}"
        forget(partial)
        assert files_below(work) == {}
    assert files_below(work) == {} and len(looked) == once
    assert stop > 20, "there are that many places"


def test_nothing_is_looked_at_twice(tmp_path: Path, looked: list[str]) -> None:
    """What was finished counts as done at once, and with other settings too."""
    data, partial = write_folders(tmp_path / "data"), tmp_path / "new" / "x.partial"

    def kill(done: int, total: int) -> None:
        if done == 10:
            raise Stopped

    with pytest.raises(Stopped):
        check_dataset(open_dataset(data), progress=kill, partial=partial)
    assert len(looked) == 10
    looked.clear()
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    report = check_dataset(open_dataset(data), 33, 9, note, partial)
    assert len(looked) == 14 + 2, "8 were finished, two of which are unreadable"
    assert seen == [(8, 22), *((done, 22) for done in range(10, 23, 2))]
    assert report == check_dataset(open_dataset(data), 33, 9) and report.counts()["tiny"] == 20
    looked.clear()
    assert check_dataset(open_dataset(data), 33, 9, partial=partial) == report, "until it is forgotten"
    assert len(looked) == 2


def replace_image(data: Path) -> None:
    path = data / "name_00" / "name_00_0003.jpg"
    changed = path.stat().st_mtime_ns + 1_000_000
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(changed, changed))


def add_image(data: Path) -> None:
    (data / "name_02" / "another.png").write_bytes(encoded(face(2, 9)))


def rename_class(data: Path) -> None:
    (data / "name_05").rename(data / "name_06")


def swap_images(data: Path) -> None:
    first, second = (data / "name_03" / f"name_03_000{number}.jpg" for number in (1, 2))
    first.rename(data / "x")
    second.rename(first)
    (data / "x").rename(second)


@pytest.mark.parametrize("change", [replace_image, add_image, rename_class, swap_images])
def test_work_on_other_images_is_refused(
    tmp_path: Path, looked: list[str], change: Callable[[Path], None]
) -> None:
    data, partial = write_folders(tmp_path / "data"), tmp_path / "x.partial"
    before = check_dataset(open_dataset(data), partial=partial)
    change(data)
    message = r"x\.partial: unfinished work with another source; delete it and x\.partial\.json to start"
    with pytest.raises(ValueError, match=message):
        check_dataset(open_dataset(data), partial=partial)
    forget(partial)
    after = check_dataset(open_dataset(data), partial=partial)
    assert after == check_dataset(open_dataset(data))
    assert (after == before) == (change is swap_images), "only that leaves the same problems"


def test_what_another_has_written_is_refused(tmp_path: Path, looked: list[str]) -> None:
    data, partial = write_folders(tmp_path / "data"), tmp_path / "x.partial"
    check_dataset(open_dataset(data), partial=partial)
    kept = partial.read_bytes()
    partial.write_bytes(kept[:-1])
    message = r"x\.partial: 879 bytes of unfinished work, expected 880; delete it and x\.partial\.json"
    with pytest.raises(ValueError, match=message):
        check_dataset(open_dataset(data), partial=partial)
    partial.write_bytes(kept)
    journal = json.loads((tmp_path / "x.partial.json").read_text())
    (tmp_path / "x.partial.json").write_text(json.dumps({**journal, "format": "check by Pillow 1.0"}))
    with pytest.raises(ValueError, match=r"x\.partial: unfinished work with another format"):
        check_dataset(open_dataset(data), partial=partial)
    with locked(partial, "busy"), pytest.raises(ValueError, match="another process is at this check"):
        check_dataset(open_dataset(data), partial=partial)


def test_what_is_not_unfinished_work_of_a_check_stays(tmp_path: Path) -> None:
    """Somebody's file may have that name, and so may somebody's JSON beside it."""
    data = write_folders(tmp_path / "data")
    (tmp_path / "x.partial").write_text("years of work")
    before = files_below(tmp_path)
    with pytest.raises(ValueError, match=r"x\.partial: exists, and is no unfinished work of this command$"):
        check_dataset(open_dataset(data), partial=tmp_path / "x.partial")
    assert files_below(tmp_path) == before
    (tmp_path / "y.partial.json").write_text("[]")
    with pytest.raises(ValueError, match=r"y\.partial\.json: damaged"):
        check_dataset(open_dataset(data), partial=tmp_path / "y.partial")
    assert (tmp_path / "y.partial.json").read_text() == "[]"


def test_nothing_is_kept_where_nobody_could_tell_a_change(tmp_path: Path) -> None:
    assert isinstance(check_dataset(mixed_faces(), partial=tmp_path / "x"), Report)
    assert files_below(tmp_path) == {}


def test_stamps_of_all_formats(tmp_path: Path) -> None:
    """Each file that images or their places are read from counts; of a selection, its rows too."""
    faces = mixed_faces(12, 4)
    for to in ("folders", "recordio", "tfrecord"):
        convert_dataset(faces, tmp_path / to, to)
    convert_dataset(open_dataset(tmp_path / "folders"), tmp_path / "list.npz", "npz")
    records = open_dataset(tmp_path / "recordio")
    for name, rows in (("first.npz", [0, 1]), ("second.npz", [0, 2])):
        write_selection(tmp_path / name, Selection(records, rows), tmp_path / "recordio")
    write_embeddings(tmp_path / "t.npy", records, tmp_path / "recordio", [np.ones((12, 2), np.float32)], {})
    image = next((tmp_path / "folders").glob("*/*.png")).relative_to(tmp_path).as_posix()
    files = {
        "folders": [image],
        "list.npz": [image],
        "recordio": ["recordio/train.rec", "recordio/train.idx"],
        "first.npz": ["recordio/train.rec"],
        "t.npy": ["recordio/train.rec"],
        "tfrecord": [name for name in files_below(tmp_path) if name.endswith((".tfrecord", "tfrecord.npy"))],
    }
    assert len(files["tfrecord"]) == 2
    for data, of_data in files.items():
        for file in of_data:
            before = open_dataset(tmp_path / data).stamp()
            assert before is not None and open_dataset(tmp_path / data).stamp() == before
            changed = (tmp_path / file).stat().st_mtime_ns + 1_000_000
            os.utime(tmp_path / file, ns=(changed, changed))
            assert open_dataset(tmp_path / data).stamp() != before, (data, file)
    first, second = (open_dataset(tmp_path / name).stamp() for name in ("first.npz", "second.npz"))
    assert first != second


DYING = """
import os, signal, sys
from fr_models.data import _examination, cli
_examination.BLOCK_IMAGES, _examination.KEPT_BLOCKS, left = 2, 2, int(sys.argv.pop(1))
row_of = _examination._row_of
def dying(image, name):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return row_of(image, name)
_examination._row_of = dying
cli.main()
"""


def test_killed_commands_write_what_another_writes(tmp_path: Path) -> None:
    """`kill -9` again and again: table, JSON and selection are to the byte those of one run."""
    data = write_folders(tmp_path / "data")

    def run(name: str, left: int) -> int:
        (tmp_path / name).mkdir(exist_ok=True)
        outputs = ["--json", "r.json", "--csv", "r.csv", "--select", "good.npz"]
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(left), "check", str(data), *outputs],
            cwd=tmp_path / name,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    sizes = []
    for left in (7, 6, 11):
        assert run("killed", left) == -signal.SIGKILL
        sizes.append((tmp_path / "killed" / "data.check.partial").stat().st_size)
    assert 0 < sizes[0] < sizes[1] < sizes[2] < 22 * 40
    assert run("killed", 0) == run("whole", 0) == 0
    whole = files_below(tmp_path / "whole")
    assert sorted(whole) == ["good.npz", "r.csv", "r.json"]
    assert files_below(tmp_path / "killed") == whole
