"""Models as fr-export's sweeps build them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from fr_models import HEADS, list_models, model_builder


def test_pointwise_is_the_reference_s() -> None:
    """Parameter counts of Keras_insightface's MobileFaceNet, 512 dimensions, GDC."""
    plain, told = model_builder.build("mobilefacenet", "GDC", 512, False)
    assert plain.count_params() == 939_904 and told.size == (112, 112)
    wide, _ = model_builder.build("mobilefacenet", "GDC", 512, True)
    assert wide.count_params() == 1_224_448


def test_names() -> None:
    assert model_builder.list_models() == list_models()
    assert model_builder.list_heads() == list(HEADS)


def test_is_declared() -> None:
    project = Path(__file__).resolve().parents[2] / "packages" / "fr-models" / "pyproject.toml"
    groups = tomllib.loads(project.read_text())["project"]["entry-points"]
    assert groups["fr_export.model_builders"] == {"fr_models": model_builder.__name__}
