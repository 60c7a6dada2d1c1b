"""Every example in a docstring of training runs and gives what it says."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "_schedule",
    "average",
    "keras_schedule",
    "losses",
    "muon",
    "network",
    "optimizers",
    "recipe",
    "schedules",
    "stages",
    "step",
    "teacher",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"fr_models.train.{name}"))
    assert result.attempted and not result.failed
