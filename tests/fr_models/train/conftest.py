"""What the tests of ``fr-train`` share: its command line."""

from __future__ import annotations

import pytest
from fr_models.train import cli

from tests.commands import Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("fr-train", cli.main, monkeypatch, capsys)
