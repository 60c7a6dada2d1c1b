"""The average of weights of a run: one over all of its stages, also where the run was stopped between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fr_models.train.stage_run import StageRun
from fr_models.train.trainer import Trainer

from tests.fr_models.train import _runs

MOMENTUM = 0.9  # of the runs of these tests
STAGES = [{"epochs": 1, "loss": "softmax", "optimizer": "SGD"}, {"epochs": 1, "loss": "ArcFace"}]


class Stopped(Exception):
    """Raised where a run is to stop."""


def weights(run: StageRun) -> list[np.ndarray]:
    return [np.array(weight, np.float64) for weight in run.model.backbone.get_weights()]


def averages(folder: Path) -> list[np.ndarray]:
    """Read the averages of the last checkpoint; their count of updates comes first."""
    with np.load(folder / "last" / "state.npz") as arrays:
        names = sorted(name for name in arrays.files if name.startswith("average/"))
        return [arrays[name] for name in names]


@pytest.mark.parametrize("steps", [None, _runs.STEPS + 2], ids=["in one go", "resumed in the second stage"])
def test_it_goes_on_over_stages(steps: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the formula in float64, over the weights before and after each step of both stages."""
    _runs.prepare(tmp_path)
    recipe = _runs.recipe(tmp_path, stages=STAGES, evaluate={}, checkpoint_every=2, deterministic=False)
    train, seen, stop = StageRun.step, [], steps

    def recording(run: StageRun, batch: Any) -> Any:
        if not seen:
            seen.append(weights(run))
        if len(seen) - 1 == stop:
            raise Stopped
        report = train(run, batch)
        seen.append(weights(run))
        return report

    monkeypatch.setattr(StageRun, "step", recording)
    if steps is None:
        Trainer(recipe, tmp_path / "run").run()
    else:  # a checkpoint has just been written
        with pytest.raises(Stopped):
            Trainer(recipe, tmp_path / "run").run()
        stop = None
        Trainer.resume(tmp_path / "run")
    expected, *after = seen
    assert len(after) == 2 * _runs.STEPS
    for number, now in enumerate(after):
        momentum = min(MOMENTUM, (1 + number) / (10 + number))
        expected = [momentum * a + (1 - momentum) * w for a, w in zip(expected, now, strict=True)]
    updates, *found = averages(tmp_path / "run")
    assert updates == 2 * _runs.STEPS
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-6)
