"""Packages that only some files need."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, what: str, install: str) -> Any:
    """Import a module.

    Raises
    ------
    ImportError
        If it is not installed; the message names the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.split(".")[0]
        raise ImportError(f"{what} needs {package}: python -m pip install {install}") from None
