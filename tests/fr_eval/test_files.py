"""Files that are there whole or not at all, and say so when the disk is full."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fr_eval.files import disk_errors_named, replacing, write_text

KILLED = """
import os, signal
from pathlib import Path
from fr_eval.files import replacing
with replacing(Path("file.txt")) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as temporary:
        temporary.write_bytes("text where bytes belong")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file.txt"]
    with replacing(path) as temporary:
        assert temporary.suffix == ".txt" and temporary.parent == tmp_path
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and names(tmp_path) == ["file.txt"]


def test_killed_while_it_writes(tmp_path: Path) -> None:
    """The old file stays, and the next writer leaves nothing of the killed one behind."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL and path.read_text() == "old" and len(names(tmp_path)) == 2
    write_text(path, "ä\n")
    assert path.read_bytes() == "ä\n".encode() and names(tmp_path) == ["file.txt"]


def test_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "down" / "file", "")
    assert (tmp_path / "deep" / "down" / "file").read_bytes() == b""


def write_half(path: Path, error: Exception) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def write_to_a_full_disk(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("new")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the disk that is always full")
def test_full_disk(tmp_path: Path) -> None:
    """The error names the file, which stays as it was."""
    path = tmp_path / "state.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="No space left") as caught:
        write_to_a_full_disk(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["state.txt"] and path.read_text() == "old"


def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """Not the one beside it that is written first: a folder of the name, a name too long, no permission."""
    (tmp_path / "folder").mkdir()
    for name, code in (("folder", errno.EISDIR), ("n" * 250, errno.ENAMETOOLONG)):
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            write_text(tmp_path / name, "new")
        assert caught.value.errno == code
        assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / name), None)
        assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_place_that_is_not_to_be_written_to(tmp_path: Path, code: int) -> None:
    """Stands for the system's refusal, which the superuser of a test never meets."""

    def refused(path: Path) -> None:
        with replacing(path) as temporary:
            raise OSError(code, os.strerror(code), str(temporary))

    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        refused(tmp_path / "a.csv")
    assert caught.value.filename == str(tmp_path / "a.csv") and "writing" not in str(caught.value)


def test_reasons_that_name_a_file(tmp_path: Path) -> None:
    """As those of h5py do, of which the error itself has no name."""

    def refused(path: Path) -> None:
        with replacing(path) as temporary:
            raise OSError(f"unable to create file (name = '{temporary}')")

    with pytest.raises(OSError, match="unable to create") as caught:
        refused(tmp_path / "a.h5")
    assert f"name = '{tmp_path / 'a.h5'}'" in str(caught.value) and "writing" not in str(caught.value)


def test_errors_in_a_folder_that_is_written(tmp_path: Path) -> None:
    hidden = tmp_path / ".writing.net"
    with pytest.raises(FileNotFoundError) as caught, disk_errors_named(tmp_path / "net", hidden):
        (hidden / "variables" / "data").write_text("")
    assert caught.value.filename == str(tmp_path / "net")


@pytest.mark.parametrize("error", [ValueError("of the block"), FileNotFoundError(2, "of the block", "other")])
def test_other_errors_pass(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error), match="of the block") as caught:
        write_half(tmp_path / "a", error)
    assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_links_stay_and_devices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("old")
    link = tmp_path / "linked.txt"
    link.symlink_to("report.txt")
    write_text(link, "new")
    assert link.is_symlink() and (tmp_path / "report.txt").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    for device in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(OSError, match="a device or a pipe, expected a file to write"):
            write_text(device, "new")
        assert not device.is_file()
