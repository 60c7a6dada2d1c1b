"""What happened, a row an epoch: kept in checkpoints, written as CSV and as the reference's JSON.

Rows carry the number of their epoch, the first being 1, and the files are written whole from them. So what
a killed run wrote after its last checkpoint is replaced by what the resumed run finds, and no epoch comes
twice.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fr_eval.files import write_text

from fr_models.train.losses import CENTERS, DISTILLATIONS, TRIPLETS, kind_of

__all__ = ["History"]

Row = dict[str, Any]

# Figures of an evaluation: what Keras_insightface's histories add to the name of the set.
REFERENCE_FIGURES = {"max_accuracy": "", "threshold": "_thresh"}
REFERENCE_COLUMNS = {
    "learning_rate": "lr",
    "loss": "loss",
    "accuracy": "accuracy",
    "regular_loss": "regular_loss",
}
# Of our losses of embeddings, by the name that Keras gives to a class, the kind that the reference names.
REFERENCE_LOSSES = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): kind_of(name)
    for name in (*CENTERS, *TRIPLETS, *DISTILLATIONS)
}


class History:
    """Rows of epochs, and figures measured within them.

    Parameters
    ----------
    rows : iterable of dict
        One an epoch, with ``epoch`` from 1 on, ``stage`` from 1 on, and figures; a figure that is not
        finite is None. ``learning_rate`` is that of the epoch's last step that was taken, as the reference's
        ``lr`` is; where no step was, neither it nor the training's figures are finite.
    evaluations : iterable of dict
        Figures measured after so many steps, with ``step``: within epochs, or where one ends.
    """

    def __init__(self, rows: Iterable[Row] = (), evaluations: Iterable[Row] = ()) -> None:
        self.rows = [dict(row) for row in rows]
        self.evaluations = [dict(row) for row in evaluations]

    def add(self, row: Row) -> None:
        """Add the row of the epoch that has ended.

        Raises
        ------
        ValueError
            If it is not the epoch after the last.
        """
        if row["epoch"] != len(self.rows) + 1:
            raise ValueError(f"history: expected the row of epoch {len(self.rows) + 1}, got {row['epoch']}")
        self.rows.append(_finite(row))

    def add_evaluation(self, row: Row) -> None:
        """Add figures that were measured within an epoch."""
        self.evaluations.append(_finite(row))

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready values, from which `History` builds an equal one."""
        return {"rows": self.rows, "evaluations": self.evaluations}

    def write(self, folder: Path) -> None:
        """Write ``history.csv``, ``history_hist.json`` and, if there are any, ``evaluations.csv``."""
        write_text(folder / "history.csv", _table(self.rows))
        write_text(folder / "history_hist.json", json.dumps(self.to_reference(), indent=1) + "\n")
        if self.evaluations:
            write_text(folder / "evaluations.csv", _table(self.evaluations))

    def to_reference(self) -> dict[str, list[Any]]:
        """Return the history in the form of Keras_insightface's ``_hist.json``: a list for each figure.

        ``lr``, ``loss`` without the regularisers' ``regular_loss``, ``accuracy``, ``NAME_embedding_loss``
        of each further loss, and of each set, by its name, its accuracy at the best threshold on these very
        pairs, with ``SET_thresh``. Each list has a value for each epoch, None where that has no such figure;
        of several losses of one kind, the first.
        """
        columns: dict[str, list[Any]] = {}
        for place, row in enumerate(self.rows):
            figures: dict[str, Any] = {}
            for name, value in row.items():
                if name == "loss" and value is not None:
                    value -= row.get("regular_loss") or 0.0
                if (reference := _reference_name(name)) is not None:
                    figures.setdefault(reference, value)
            for reference, value in figures.items():
                columns.setdefault(reference, [None] * len(self.rows))[place] = value
        return columns


def _reference_name(name: str) -> str | None:
    """Say what the reference calls a column; None for what it does not have."""
    if name in REFERENCE_COLUMNS:
        return REFERENCE_COLUMNS[name]
    test_set, _, figure = name.rpartition(".")
    if test_set and figure in REFERENCE_FIGURES:
        return test_set + REFERENCE_FIGURES[figure]
    return f"{REFERENCE_LOSSES[name]}_embedding_loss" if name in REFERENCE_LOSSES else None


def _table(rows: Sequence[Row]) -> str:
    """Return CSV with every column that any row has; numbers as they are read back bit for bit."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "nan" if value is None else value for name, value in row.items()})
    return text.getvalue()


def _finite(row: Row) -> Row:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
