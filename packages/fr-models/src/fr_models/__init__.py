"""Face-recognition models for TensorFlow: backbones, heads, weights and surgery.

TensorFlow is imported with the first name that is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fr_models._lazy import importer

if TYPE_CHECKING:
    from fr_models import surgery
    from fr_models._create import Description, create, describe
    from fr_models._options import Options
    from fr_models._registry import Card, Paper, list_models
    from fr_models.feature_maps import match_layers
    from fr_models.heads import HEADS, Head
    from fr_models.weights import Match, Report, from_onnx, load_weights, save

__version__ = "0.1.0"
__all__ = [
    "HEADS",
    "Card",
    "Description",
    "Head",
    "Match",
    "Options",
    "Paper",
    "Report",
    "create",
    "describe",
    "from_onnx",
    "list_models",
    "load_weights",
    "match_layers",
    "save",
    "surgery",
]

_HOME = {
    "HEADS": "heads",
    "Card": "_registry",
    "Description": "_create",
    "Head": "heads",
    "Match": "weights",
    "Options": "_options",
    "Paper": "_registry",
    "Report": "weights",
    "create": "_create",
    "describe": "_create",
    "from_onnx": "weights",
    "list_models": "_registry",
    "load_weights": "weights",
    "match_layers": "feature_maps",
    "save": "weights",
}

_imported = importer("fr_models", _HOME)


def __getattr__(name: str) -> Any:
    if name == "surgery":
        return importlib.import_module("fr_models.surgery")
    return _imported(name)
