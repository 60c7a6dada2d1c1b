"""Images of people to train on: formats, batches, augmentation, synthetic faces.

TensorFlow is imported with the first name that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fr_models.data.augmentation import Augmentation
    from fr_models.data.dataset import Dataset
    from fr_models.data.formats import open_dataset
    from fr_models.data.input_clock import InputClock
    from fr_models.data.mixup import MixedLabels
    from fr_models.data.pipeline import Pipeline
    from fr_models.data.samplers import ClassBalanced, PerClass, Sampler, Shuffled, sampler_from_dict
    from fr_models.data.synthetic import SyntheticFaces

__all__ = [
    "Augmentation",
    "ClassBalanced",
    "Dataset",
    "InputClock",
    "MixedLabels",
    "PerClass",
    "Pipeline",
    "Sampler",
    "Shuffled",
    "SyntheticFaces",
    "open_dataset",
    "sampler_from_dict",
]

_HOME = {
    "Augmentation": "augmentation",
    "ClassBalanced": "samplers",
    "Dataset": "dataset",
    "InputClock": "input_clock",
    "MixedLabels": "mixup",
    "PerClass": "samplers",
    "Pipeline": "pipeline",
    "Sampler": "samplers",
    "Shuffled": "samplers",
    "SyntheticFaces": "synthetic",
    "open_dataset": "formats",
    "sampler_from_dict": "samplers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fr_models.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fr_models.data.{_HOME[name]}"), name)
    globals()[name] = value
    return value
