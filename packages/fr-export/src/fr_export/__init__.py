"""Face-recognition models as files for other runtimes: TFLite, ONNX and SavedModel.

TensorFlow is imported with the first name that is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fr_export.exported import Exported
    from fr_export.keras import to_keras
    from fr_export.kinds import KINDS
    from fr_export.onnx import to_onnx
    from fr_export.parity_check import check
    from fr_export.representative import representative_images
    from fr_export.saved_model import to_saved_model
    from fr_export.tflite import to_tflite
    from fr_export.wrappers import wrap

__version__ = "0.1.0"
__all__ = [
    "KINDS",
    "Exported",
    "check",
    "representative_images",
    "to_keras",
    "to_onnx",
    "to_saved_model",
    "to_tflite",
    "wrap",
]

_HOME = {
    "KINDS": "kinds",
    "Exported": "exported",
    "check": "parity_check",
    "representative_images": "representative",
    "to_keras": "keras",
    "to_onnx": "onnx",
    "to_saved_model": "saved_model",
    "to_tflite": "tflite",
    "wrap": "wrappers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fr_export' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fr_export.{_HOME[name]}"), name)
    globals()[name] = value
    return value
