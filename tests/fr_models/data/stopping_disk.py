"""A disk that stops at any one change, as by a kill, and may lose what was not synced, as by a power cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


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
