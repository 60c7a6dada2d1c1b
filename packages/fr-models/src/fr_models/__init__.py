"""Face-recognition models for TensorFlow: backbones, heads, weights and surgery.

TensorFlow is imported with the first name that is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fr_models import surgery
    from fr_models._create import Description, create, describe
    from fr_models._options import Options
    from fr_models._registry import Card, Paper, list_models
    from fr_models.heads import HEADS, Head

__version__ = "0.1.0"
__all__ = [
    "HEADS",
    "Card",
    "Description",
    "Head",
    "Options",
    "Paper",
    "create",
    "describe",
    "list_models",
    "surgery",
]

_HOME = {
    "HEADS": "heads",
    "Card": "_registry",
    "Description": "_create",
    "Head": "heads",
    "Options": "_options",
    "Paper": "_registry",
    "create": "_create",
    "describe": "_create",
    "list_models": "_registry",
}


def __getattr__(name: str) -> Any:
    if name == "surgery":
        return importlib.import_module("fr_models.surgery")
    if name not in _HOME:
        raise AttributeError(f"module 'fr_models' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fr_models.{_HOME[name]}"), name)
    globals()[name] = value
    return value
