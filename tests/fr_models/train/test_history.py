"""The files of a history, read back by other readers."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from fr_models.train.history import History

ROWS = [
    {"epoch": 1, "stage": 1, "loss": 10.5, "accuracy": 0.25, "regular_loss": 0.5, "learning_rate": 0.1},
    {
        "epoch": 2,
        "stage": 2,
        "loss": 0.1 + 0.2,
        "accuracy": 0.5,
        "center_loss": 2.0,
        "batch_hard_triplet": 0.7,
        "learning_rate": 0.01,
        "lfw.accuracy": 0.75,
        "lfw.max_accuracy": 0.8,
        "lfw.threshold": 0.3,
    },
]


def test_csv_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    """A column that an epoch does not have is empty, a figure that is not finite is nan."""
    history = History()
    for row in ROWS:
        history.add({**row, "grad": math.nan if row["epoch"] == 1 else math.inf})
    history.write(tmp_path)
    with (tmp_path / "history.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert [first["epoch"], second["epoch"]] == ["1", "2"]
    assert [float(first["loss"]), float(second["loss"])] == [10.5, 0.1 + 0.2]
    assert [first["lfw.accuracy"], second["lfw.accuracy"]] == ["", "0.75"]
    assert first["grad"] == second["grad"] == "nan"
    assert pd.read_csv(tmp_path / "history.csv")["grad"].isna().all()
    assert not (tmp_path / "evaluations.csv").exists()


def test_reference_form(tmp_path: Path) -> None:
    """As section 7.3 of the reference says: loss without regularisers, a set's best accuracy by its name."""
    history = History(ROWS)
    history.write(tmp_path)
    found = json.loads((tmp_path / "history_hist.json").read_text())
    assert found == {
        "lr": [0.1, 0.01],
        "loss": [10.0, 0.1 + 0.2],
        "accuracy": [0.25, 0.5],
        "regular_loss": [0.5, None],
        "center_embedding_loss": [None, 2.0],
        "triplet_embedding_loss": [None, 0.7],
        "lfw": [None, 0.8],
        "lfw_thresh": [None, 0.3],
    }


def test_evaluations_within_epochs(tmp_path: Path) -> None:
    history = History()
    history.add_evaluation({"step": 100, "lfw.auc": 0.9})
    history.add_evaluation({"step": 200, "lfw.auc": 0.95})
    history.write(tmp_path)
    assert (tmp_path / "evaluations.csv").read_text() == "step,lfw.auc\n100,0.9\n200,0.95\n"


def test_record_round_trip() -> None:
    history = History(ROWS, [{"step": 3, "x": 1 / 3}])
    again = History(**json.loads(json.dumps(history.to_record(), allow_nan=False)))
    assert again.rows == history.rows and again.evaluations == history.evaluations


@pytest.mark.parametrize("epoch", [0, 2, 4])
def test_no_epoch_twice_or_left_out(epoch: int) -> None:
    with pytest.raises(ValueError, match=rf"expected the row of epoch 3, got {epoch}"):
        History(ROWS).add({"epoch": epoch})
