"""What the commands that train have in common."""

from __future__ import annotations

import os
from importlib.util import find_spec

from fr_eval import MissingExtraError


def prepare() -> None:
    """Keep TensorFlow from writing about the machine, and say what training needs if it is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if find_spec("fr_losses") is None:
        raise MissingExtraError("fr-losses", "fr-losses", "training")
