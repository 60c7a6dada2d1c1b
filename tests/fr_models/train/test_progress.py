"""What a person sees of a run in a log."""

from __future__ import annotations

import math

import pytest
from fr_models.train import progress


def test_figures_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A loss of no finite step is a dash, and neither 0 nor a number."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    display = progress.Display()
    display.begin("epoch 1 of 2", 0, 4)
    display.advance(1, lambda: {"loss": math.nan, "accuracy": 0.25})
    display.end()
    assert capsys.readouterr().err.startswith("epoch 1 of 2: 1 of 4  loss -  accuracy 0.25  ")
    row = {"epoch": 1, "stage": 1, "loss": math.nan, "skipped_steps": 4, "note": None}
    assert progress.epoch_line(row) == "epoch 1 (stage 1): loss -, skipped_steps 4"
