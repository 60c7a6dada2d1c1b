"""Training: recipes, what they build, one step of it.

TensorFlow is imported with the first name that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fr_models._lazy import importer

if TYPE_CHECKING:
    from fr_models.train.callbacks import Callback
    from fr_models.train.history import History
    from fr_models.train.nonfinite import NonFinite
    from fr_models.train.recipe import (
        Data,
        Evaluation,
        Model,
        Recipe,
        Stage,
        Teacher,
        find_recipe,
        packaged_recipes,
    )
    from fr_models.train.trainer import Trainer

__all__ = [
    "Callback",
    "Data",
    "Evaluation",
    "History",
    "Model",
    "NonFinite",
    "Recipe",
    "Stage",
    "Teacher",
    "Trainer",
    "find_recipe",
    "packaged_recipes",
]

_HOME = {
    "Callback": "callbacks",
    "Data": "recipe",
    "Evaluation": "recipe",
    "History": "history",
    "Model": "recipe",
    "NonFinite": "nonfinite",
    "Recipe": "recipe",
    "Stage": "recipe",
    "Teacher": "recipe",
    "Trainer": "trainer",
    "find_recipe": "recipe",
    "packaged_recipes": "recipe",
}

__getattr__ = importer("fr_models.train", _HOME)
