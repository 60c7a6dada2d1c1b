"""Settings that come from YAML: errors name the key, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

Settings = TypeVar("Settings")


def choice(where: str, value: Any, allowed: Iterable[str]) -> str:
    """Return a word that must be one of those allowed."""
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(
            f"{where}: expected one of {', '.join(allowed)}, got {value!r}{_near(value, allowed)}"
        )
    return value


def checked_settings(kind: type[Settings], settings: Any, where: str) -> Settings:
    """Build a dataclass from a mapping; its own checks are told where they stand."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(settings, dict):
        raise ValueError(f"{where}: expected a mapping of {', '.join(names)}, got {settings!r}")
    for key in settings:
        if key not in names:
            known = f"expected {', '.join(names)}" if names else "there are none"
            raise ValueError(f"{where}: unknown setting {key!r}, {known}{_near(key, names)}")
    try:
        return kind(**settings)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None


def _near(value: Any, allowed: list[str]) -> str:
    near = difflib.get_close_matches(str(value), allowed, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
