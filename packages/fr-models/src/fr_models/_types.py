"""Types by the names that the field has for them; Keras declares none that a type checker sees."""

from __future__ import annotations

from typing import Any, TypeAlias

Model: TypeAlias = Any
"""A ``keras.Model``."""
