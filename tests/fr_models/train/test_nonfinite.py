"""Steps that are not finite: named, counted, and the end of the run where the recipe says so."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from fr_models.train.nonfinite import NonFinite, NonFiniteSteps
from fr_models.train.recipe import Recipe


def recipe(**settings: Any) -> Recipe:
    return Recipe.from_dict(
        {"model": {"name": "r18"}, "stages": [{"epochs": 1, "loss": "ArcFace"}], **settings}
    )


def report(in_a_row: int) -> dict[str, tf.Tensor]:
    loss = float("nan") if in_a_row else 1.0
    return {
        "loss": tf.constant(loss),
        "finite": tf.constant(in_a_row == 0),
        "in_a_row": tf.constant(in_a_row, tf.int64),
    }


def test_named_and_counted() -> None:
    said: list[str] = []
    steps = NonFiniteSteps(recipe(most_nonfinite=3), said.append)
    for step, in_a_row in enumerate([0, 1, 2, 0, 1], 1):
        steps.after(f"step {step}", report(in_a_row))
    steps.look()
    assert [line.partition(":")[0] for line in said] == ["step 2", "step 3", "step 5"]
    assert said[0] == "step 2: loss nan, or a gradient, is not finite: left out"


def test_too_many_in_a_row() -> None:
    said: list[str] = []
    steps = NonFiniteSteps(recipe(most_nonfinite=3), said.append)
    for in_a_row in (1, 2, 3):
        steps.after(f"step {in_a_row}", report(in_a_row))
    with pytest.raises(NonFinite, match=r"step 3: loss nan.* end the run after 3 in a row"):
        steps.look()
    assert len(said) == 2


def test_stop_at_the_first() -> None:
    steps = NonFiniteSteps(recipe(on_nonfinite="stop"), pytest.fail)
    steps.after("epoch 1, step 1", report(1))
    with pytest.raises(NonFinite, match="epoch 1, step 1"):
        steps.after("epoch 1, step 2", report(0))
