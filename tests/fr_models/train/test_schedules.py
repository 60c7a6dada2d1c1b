"""Learning rates against the reference's numbers, its published histories, and plain formulas."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fr_models.train.keras_schedule import KerasSchedule
from fr_models.train.recipe import Recipe
from fr_models.train.schedules import (
    Constant,
    Cosine,
    Exponential,
    Schedule,
    Steps,
    checked_schedule,
    reference_schedule,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow import keras

SMALLEST: dict[str, Any] = {"model": {"name": "r18"}, "stages": [{"epochs": 2, "loss": "ArcFace"}]}
GOLDEN = [0.1, 0.050005, 1e-5, 0.050005, 0.042683, 0.025007, 0.007332, 1e-5, 0.025007, 0.024056]


def test_cosine_has_the_golden_rates_of_the_reference() -> None:
    schedule = reference_schedule(lr_base=0.1, lr_decay=0.5, lr_decay_steps=2, lr_min=1e-5)
    for steps_per_epoch in (1, 7):
        starts = np.arange(len(GOLDEN)) * steps_per_epoch
        np.testing.assert_allclose(schedule.rate(starts, steps_per_epoch), GOLDEN, atol=1e-6)
    rates = schedule.rate(np.arange(200), 1)
    assert rates[34] > 1e-3, "the reference stays at the minimum from epoch 33 on"


def test_periods_of_the_reference() -> None:
    """first=16: low at epochs 16, 49, 114 and 243, restarts one epoch later."""
    rates = Cosine(base=0.1, minimum=1e-5, epochs=16, restart=0.5).rate(np.arange(300), 1)
    assert np.flatnonzero(rates == 1e-5).tolist() == [16, 49, 114, 243]
    peaks = [1e-5 + (0.1 - 1e-5) * 0.5**k for k in range(5)]
    np.testing.assert_allclose(rates[[0, 17, 50, 115, 244]], peaks, rtol=1e-12)


def test_without_restart_it_stays_low() -> None:
    """The reference's own example of no restart does restart, by a comparison of floats."""
    schedule = reference_schedule(lr_base=0.001, lr_decay=1e-4, lr_decay_steps=10, lr_min=1e-7)
    assert schedule == Cosine(base=0.001, minimum=1e-7, epochs=10)
    rates = schedule.rate(np.arange(40), 1)
    assert (np.diff(rates[:11]) < 0).all() and (rates[10:] == 1e-7).all()


def test_published_histories(shared_data: Path) -> None:
    runs = json.loads(
        (shared_data / "logs/keras_insightface_history/se_mobile_facenet_emore.json").read_text()
    )
    rates = next(iter(runs["runs"].values()))["lr"]
    cosine = Cosine(base=1e-3, minimum=1e-7, epochs=15, restart=0.5, cooldown=0)
    np.testing.assert_allclose(cosine.rate(np.arange(25), 1), rates[:25], rtol=1e-5)
    exponential = Exponential(base=1e-3, decay=0.05).rate(np.arange(30), 1)
    np.testing.assert_allclose(exponential[5:25], rates[29:49], rtol=1e-5)
    runs = json.loads(
        (shared_data / "logs/keras_insightface_history/mobilenet_casia_bs400_sgdw.json").read_text()
    )
    rates = next(iter(runs["runs"].values()))["lr"]
    steps = reference_schedule(lr_base=0.1, lr_decay=0.1, lr_decay_steps=[20, 30])
    np.testing.assert_allclose(steps.rate(np.arange(50), 1), rates, rtol=1e-6)


def test_warm_up_rises_along_a_line_and_shifts_what_is_counted_from_it() -> None:
    steps = np.arange(60)
    for schedule in (
        Constant(base=0.1, warmup_epochs=2),
        Exponential(base=0.1, minimum=0.01, decay=0.1, warmup_epochs=2),
        Cosine(base=0.1, minimum=0.01, epochs=4, restart=0.5, warmup_epochs=2),
    ):
        rates = schedule.rate(steps, 10)
        start = 0.0 if isinstance(schedule, Constant) else 0.01
        np.testing.assert_allclose(rates[:21], start + (0.1 - start) * np.arange(21) / 20, rtol=1e-12)
        fresh = type(schedule)(**{**vars(schedule), "warmup_epochs": 0})
        np.testing.assert_allclose(rates[20:], fresh.rate(steps[:40], 10), rtol=1e-12)
    rates = Steps(base=0.1, epochs=(2, 4), warmup_epochs=1).rate(steps, 10)
    np.testing.assert_allclose(rates[[0, 5, 10, 20, 40]], [0.001, 0.0505, 0.1, 0.01, 0.001], rtol=1e-12)


def plain_cosine(epochs: int, growth: int, cooldown: int, restart: float, count: int) -> list[float]:
    """Rates between 0 and 1 of steps, in loops."""
    rates: list[float] = []
    period, peak = epochs, 1.0
    while len(rates) < count:
        rates += [peak * 0.5 * (1 + math.cos(math.pi * step / period)) for step in range(period)] + [
            0.0
        ] * cooldown
        period, peak = period * growth, peak * restart
    return rates[:count]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.floats(0.1, 1.0))
def test_cosine_against_loops(epochs: int, growth: int, cooldown: int, restart: float) -> None:
    schedule = Cosine(base=1.0, minimum=0.0, epochs=epochs, growth=growth, cooldown=cooldown, restart=restart)
    expected = plain_cosine(epochs, growth, cooldown, restart, 300)
    np.testing.assert_allclose(schedule.rate(np.arange(300), 1), expected, atol=1e-12)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(base=0.3, warmup_epochs=1),
        Steps(base=0.1, epochs=(2, 3), warmup_epochs=1),
        Exponential(base=0.1),
        Cosine(base=0.1, epochs=3),
        Cosine(base=0.1, epochs=2, restart=0.5, warmup_epochs=1),
        Cosine(base=0.1, epochs=2, restart=0.5, growth=1),
    ],
    ids=repr,
)
def test_keras_follows_numpy(schedule: Schedule) -> None:
    steps, ours = np.arange(0, 120, 7), KerasSchedule(schedule, steps_per_epoch=10)
    expected = schedule.rate(steps, 10).astype(np.float32)
    in_graph = tf.function(lambda step: ours(step))
    np.testing.assert_array_max_ulp(
        np.array([float(in_graph(tf.constant(s))) for s in steps], np.float32), expected, 1
    )
    later = KerasSchedule(schedule, steps_per_epoch=10, first_epoch=3)
    assert float(later(tf.constant(5))) == pytest.approx(float(schedule.rate(35, 10)), rel=1e-6)
    optimizer = keras.optimizers.SGD(later)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    config = again.get_config()["learning_rate"]
    assert config["config"] == later.get_config()
    assert checked_schedule(schedule.to_dict()) == schedule


def test_a_recipe_has_the_rates_of_the_reference_by_its_arguments() -> None:
    settings = {"lr_base": 0.1, "lr_decay": 0.5, "lr_decay_steps": 2, "lr_min": 1e-5}
    recipe = Recipe.from_dict({**SMALLEST, "learning_rate": settings})
    np.testing.assert_allclose(recipe.learning_rate.rate(np.arange(len(GOLDEN)), 1), GOLDEN, atol=1e-6)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    stage = {**SMALLEST["stages"][0], "learning_rate": {"lr_decay_steps": [3, 5], "lr_decay": 0.1}}
    assert Recipe.from_dict({**SMALLEST, "stages": [stage]}).stages[0].learning_rate == Steps(epochs=(3, 5))
    assert checked_schedule({"lr_warmup_steps": 1}) == Exponential(warmup_epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_bas": 0.1, "lr_min": 0}, "lr_bas: no such key, did you mean lr_base?"),
        ({"lr_base": 0.1, "epochs": 3}, "epochs: no such key, expected one of lr_base, lr_decay, lr_decay_"),
        ({"lr_base": 0}, "lr_base: expected a number in (0, inf), got 0"),
        ({"lr_decay": 2, "lr_decay_steps": [3]}, "lr_decay: expected a number in (0, 1], got 2"),
        ({"lr_decay": 2, "lr_decay_steps": 3}, "lr_decay: expected a number in (0, 1], got 2"),
        ({"lr_decay_steps": "20"}, "lr_decay_steps: expected a whole number from 0 on, got '20'"),
        ({"lr_decay_steps": [3, -1]}, "lr_decay_steps.1: expected a whole number from 1 on, got -1"),
        ({"lr_min": 1, "lr_decay_steps": 3}, "lr_min: expected a number up to base, 0.001, got 1"),
        ({"lr_warmup_steps": 0.5}, "lr_warmup_steps: expected a whole number from 0 on, got 0.5"),
        ({"lr_base": "0.1", "lr_decay_steps": 3}, "lr_base: expected a number in (0, inf), got '0.1'"),
        ({"schedule": "steps", "lr_base": 0.1}, "lr_base: no such key, did you mean base?"),
    ],
    ids=str,
)
def test_wrong_arguments_of_the_reference_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"learning_rate.{message}")) as caught:
        Recipe.from_dict({**SMALLEST, "learning_rate": settings})
    assert str(caught.value).startswith("learning_rate.") and "\n" not in str(caught.value)
