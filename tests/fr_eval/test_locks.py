"""One process at a time has a file, and removes it while it has it."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from fr_eval import InputError
from fr_eval.locks import locked, written_alone


def test_a_lock_that_is_removed_at_that_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking: a third process would make and lock another file of the name."""
    path, flock = tmp_path / "lock", fcntl.flock

    def removed(file: IO[str], operation: int) -> None:
        path.unlink()
        flock(file, operation)

    def made_anew(file: IO[str], operation: int) -> None:
        removed(file, operation)
        path.touch()

    for moment in (removed, made_anew):
        monkeypatch.setattr(fcntl, "flock", moment)
        with pytest.raises(InputError, match="busy"), locked(path, "busy"):
            pass


def test_the_lock_of_an_output_is_removed_whatever_happens(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), written_alone(tmp_path / "new" / "x"):
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.partial.lock"]
        raise KeyboardInterrupt
    assert not list((tmp_path / "new").iterdir())
