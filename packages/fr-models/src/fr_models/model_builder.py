"""Models by name for `fr-export sweep`, which finds this module by an entry point of pyproject.toml.

Names are known without TensorFlow, so that a wrong one is refused at once.
"""

from __future__ import annotations

from typing import Any

from fr_eval.embedders import Preprocessing

from fr_models._registry import find, list_models

__all__ = ["build", "list_heads", "list_models"]

HEADS = ("E", "F", "G", "H", "I", "J", "Z", "GAP", "GDC", "GNAP")  # as in `fr_models.heads`
POINTWISE_CHANNELS = 512  # Keras_insightface's add_pointwise_conv


def list_heads() -> list[str]:
    """Names of the heads."""
    return list(HEADS)


def build(name: str, head: str, embedding_dim: int, pointwise: bool) -> tuple[Any, Preprocessing]:
    """Build a model of 112 x 112 pixels with random weights; return its preprocessing, too."""
    from fr_models._create import create

    card, _ = find(name)
    channels = POINTWISE_CHANNELS if pointwise else 0
    return create(name, embedding_dim, head, pointwise=channels), card.preprocessing
