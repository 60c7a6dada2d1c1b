"""What the tests of ``fr-data`` share: its command line, in a folder with class folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from fr_models.data import cli

from tests.commands import Run, runner
from tests.fr_eval.faces import write_faces


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    write_faces(tmp_path / "faces", 6, 3)
    return runner("fr-data", cli.main, monkeypatch, capsys)
