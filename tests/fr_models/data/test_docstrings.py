"""The examples of the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import fr_models.data
import pytest

MODULES = [module.name for module in pkgutil.iter_modules(fr_models.data.__path__) if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"fr_models.data.{name}")
    assert not doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed


def test_what_uses_tensorflow_has_examples() -> None:
    names = ("augmentation", "input_clock", "pipeline", "samplers", "synthetic")
    modules = [importlib.import_module(f"fr_models.data.{name}") for name in names]
    assert all(doctest.testmod(module).attempted for module in modules)
