"""Files that are there whole or not at all, and say so when the disk is full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fr_models._files import replacing, write_text


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


@pytest.mark.parametrize("error", [ValueError("of the block"), FileNotFoundError(2, "of the block", "other")])
def test_other_errors_pass(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error), match="of the block") as caught:
        write_half(tmp_path / "a", error)
    assert caught.value is error
    assert not list(tmp_path.iterdir())
