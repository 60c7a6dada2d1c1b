"""Images of people to train on: formats, batches, augmentation, synthetic faces.

TensorFlow is imported with the first name that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fr_models._lazy import importer

if TYPE_CHECKING:
    from fr_models.data.augmentation import Augmentation
    from fr_models.data.check import check_dataset
    from fr_models.data.convert import convert_dataset
    from fr_models.data.dataset import Dataset
    from fr_models.data.formats import open_damaged, open_dataset
    from fr_models.data.input_clock import InputClock
    from fr_models.data.mixup import MixedLabels
    from fr_models.data.pipeline import Pipeline
    from fr_models.data.samplers import ClassBalanced, PerClass, Sampler, Shuffled, sampler_from_dict
    from fr_models.data.selection import Selection
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
    "Selection",
    "Shuffled",
    "SyntheticFaces",
    "check_dataset",
    "convert_dataset",
    "open_damaged",
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
    "Selection": "selection",
    "Shuffled": "samplers",
    "SyntheticFaces": "synthetic",
    "check_dataset": "check",
    "convert_dataset": "convert",
    "open_damaged": "formats",
    "open_dataset": "formats",
    "sampler_from_dict": "samplers",
}

__getattr__ = importer("fr_models.data", _HOME)
