"""JSON of numbers that must all be finite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fr_eval.files import write_text

__all__ = ["write_json"]


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
