"""The bar that a person sees of a run on a terminal."""

from __future__ import annotations

import pytest
from fr_models.train.progress import Display


def test_brackets_of_a_name_are_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    display = Display()
    display.begin("evaluate cfp[fp]", 0, 2)
    display._bar.refresh()
    display.end()
    assert "evaluate cfp[fp]" in capsys.readouterr().err
