"""The examples of all docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import fr_losses
import pytest

MODULES = [module.name for module in pkgutil.iter_modules(fr_losses.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(f"fr_losses.{name}")).failed


def test_there_are_examples() -> None:
    attempted = [doctest.testmod(importlib.import_module(f"fr_losses.{name}")).attempted for name in MODULES]
    assert sum(attempted) > 20
