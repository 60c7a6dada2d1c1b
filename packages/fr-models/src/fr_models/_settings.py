"""Settings that say what they expect: frozen dataclasses whose fields check what they are given.

A field is annotated with its check, ``epochs: Annotated[int, whole(1)]``. A check returns the value as it is
kept, or raises a ValueError that says what was expected and what was received; each level puts its key before
it, so that the message ends up as ``FILE: stages.1.epochs: expected a whole number from 1 on, got 0``.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, Self, get_type_hints

from fr_models._checks import is_number, is_whole

Check = Callable[[Any], Any]


class Settings:
    """The base of settings: a frozen dataclass whose fields are annotated with checks."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        checks = _checks(kind)
        for field in _fields(kind):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, with_key(field.name, checks[field.name], value))

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Build from a mapping, as YAML holds it.

        Raises
        ------
        ValueError
            If a key is unknown (the nearest known ones are named) or missing, or a value is not as expected.
        """
        settings = a_mapping(settings)
        names = [field.name for field in _fields(cls)]
        for key in settings:
            if key not in names:
                raise ValueError(f"{key}: no such key, {nearest(key, names)}")
        for field in _fields(cls):
            if field.default is dataclasses.MISSING and field.name not in settings:
                raise ValueError(f"{field.name}: missing")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes: every setting but those that are None."""
        values = {field.name: getattr(self, field.name) for field in _fields(type(self))}
        return {name: plain(value) for name, value in values.items() if value is not None}


@functools.cache
def _checks(settings: Any) -> dict[str, Check]:
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in _fields(settings)}


def _fields(settings: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(settings)


def part(settings: type[Settings]) -> Check:
    """Expect other settings, or a mapping of theirs."""

    def check(value: Any) -> Any:
        return value if isinstance(value, settings) else settings.from_dict(value)

    return check


def with_key(key: str, check: Check, value: Any) -> Any:
    """Check a value; an error is that of ``key``."""
    with under(key):
        return check(value)


def called(kind: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """Call with arguments from a recipe; those that it does not have, or not of such a type, are an error."""
    try:
        return kind(**a_mapping(settings))
    except TypeError as error:
        raise ValueError(f"expected arguments of {kind.__name__}: {error}") from None


@contextmanager
def under(key: str) -> Iterator[None]:
    """Let errors of a block be those of ``key``, unless they name it already."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if message.startswith((f"{key}:", f"{key}.")):
            raise
        raise ValueError(_below(key, message)) from None


def _below(key: str, message: str) -> str:
    """Return the message of a key below another, or of the key itself."""
    return f"{key}{': ' if message.startswith('expected ') else '.'}{message}"


def nearest(name: Any, known: Iterable[str]) -> str:
    """Say which known names an unknown one may have meant."""
    known = list(known)
    if not known:
        return "there are none"
    near = difflib.get_close_matches(str(name).lower(), [one.lower() for one in known], n=3, cutoff=0.6)
    meant = [one for one in known if one.lower() in near]
    return f"did you mean {' or '.join(meant)}?" if meant else f"expected one of {', '.join(known)}"


def plain(value: Any) -> Any:
    """Turn settings, tuples and mappings into what YAML holds."""
    if isinstance(value, Settings):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def first_difference(known: Any, found: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """Return the first key at which plain settings differ, with both values; None stands for no value."""
    joint = "." if key else ""
    if isinstance(known, dict) and isinstance(found, dict):
        pairs = {f"{key}{joint}{name}": (known.get(name), found.get(name)) for name in {**known, **found}}
    elif isinstance(known, list) and isinstance(found, list):
        pairs = {f"{key}{joint}{place}": pair for place, pair in enumerate(zip_longest(known, found))}
    else:
        return None if known == found else (key, known, found)
    differences = (first_difference(*pair, name) for name, pair in pairs.items())
    return next(filter(None, differences), None)


def whole(least: int, most: int | None = None) -> Check:
    """Expect a whole number from ``least`` on, or to ``most``."""
    end = "on" if most is None else f"to {most}"

    def check(value: Any) -> int:
        if not is_whole(value) or value < least or (most is not None and value > most):
            raise ValueError(f"expected a whole number from {least} {end}, got {value!r}")
        return int(value)

    return check


def number(low: float = -math.inf, high: float = math.inf, above: bool = False, below: bool = False) -> Check:
    """Expect a number from ``low`` to ``high``; if ``above`` or ``below``, neither of these themselves."""
    ends = "(" if above or low == -math.inf else "[", ")" if below or high == math.inf else "]"

    def check(value: Any) -> float:
        good = is_number(value) and low <= value <= high and abs(value) <= sys.float_info.max
        if not good or (above and value == low) or (below and value == high):
            raise ValueError(f"expected a number in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value!r}")
        return float(value)

    return check


def one_of(*words: str) -> Check:
    """Expect one of a few words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {value!r}")
        return value

    return check


def some_of(*words: str) -> Check:
    """Expect a list of some of a few words, each once."""

    def check(value: Any) -> tuple[str, ...]:
        chosen: tuple[str, ...] = list_of(one_of(*words))(value)
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"expected each of {', '.join(words)} at most once, got {list(chosen)}")
        return chosen

    return check


def boolean(value: Any) -> bool:
    """Expect true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {value!r}")
    return value


def text(value: Any) -> str:
    """Expect words."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a text, got {value!r}")
    return value


def a_mapping(value: Any) -> dict[str, Any]:
    """Expect keys and values; keys are texts."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"expected keys and values, got {value!r}")
    return dict(value)


def mapping_of(checks: Mapping[str, Check]) -> Check:
    """Expect some of these keys, each with a value that passes its check."""

    def check(value: Any) -> dict[str, Any]:
        settings = a_mapping(value)
        for key in settings:
            if key not in checks:
                raise ValueError(f"{key}: no such key, {nearest(key, checks)}")
        return {key: with_key(key, checks[key], item) for key, item in settings.items()}

    return check


def sizes(count: int) -> Check:
    """Expect ``count`` whole numbers from 1 on."""

    def check(value: Any) -> tuple[int, ...]:
        items = tuple(value) if isinstance(value, list | tuple) else ()
        if len(items) != count or not all(is_whole(item) and item >= 1 for item in items):
            raise ValueError(f"expected a list of {count} whole numbers from 1 on, got {value!r}")
        return items

    return check


def list_of(check: Check, least: int = 0) -> Check:
    """Expect a list, each of whose items passes a check."""

    def check_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise ValueError(f"expected a list{f' of {least} or more' if least else ''}, got {value!r}")
        return tuple(_item(place, check, item) for place, item in enumerate(value))

    return check_all


def _item(place: int, check: Check, item: Any) -> Any:
    """Check an item of a list, which may be a list, too: its keys are all numbers."""
    try:
        return check(item)
    except ValueError as error:
        raise ValueError(_below(str(place), str(error))) from None


def named(key: str) -> Check:
    """Expect a name, or a mapping with the name under ``key`` and arguments; keep the mapping."""

    def check(value: Any) -> dict[str, Any]:
        if isinstance(value, str) and value:
            return {key: value}
        if not isinstance(value, Mapping) or not isinstance(value.get(key), str):
            raise ValueError(f"expected a name, or a mapping with the key {key!r}, got {value!r}")
        return a_mapping(value)

    return check
