"""Files that are there whole or not at all, and say so when the disk is full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from fr_models._files import replacing, write_text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the disk that is always full")
def test_full_disk(tmp_path: Path) -> None:
    """The error names the file, which stays as it was."""
    path = tmp_path / "state.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="No space left") as caught, replacing(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["state.txt"] and path.read_text() == "old"


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of the block"), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise ValueError("of the block")
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a"):
        (tmp_path / "nowhere").read_text()
    assert caught.value.filename == str(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())
