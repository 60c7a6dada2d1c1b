"""What the commands that train have in common."""

from __future__ import annotations

from importlib.util import find_spec

from fr_eval import MissingExtraError
from fr_eval.command_line import quiet_tensorflow


def prepare() -> None:
    """Say what training needs if it is missing, and import TensorFlow without what it writes."""
    if find_spec("fr_losses") is None:
        raise MissingExtraError("fr-losses", "fr-losses", "training")
    quiet_tensorflow()
