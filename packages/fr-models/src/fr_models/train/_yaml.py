"""YAML as data: nothing is built from it, no key comes twice, and ``5e-4`` is a number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """`yaml.SafeLoader` that refuses a key given twice, of which YAML would keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):  # {{ seed }} of a template that nobody filled in
                raise yaml.MarkedYAMLError(None, None, "expected a text as key", key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(  # YAML 1.1 wants a dot and a sign in floats
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def parse(content: str, what: str) -> Any:
    """Read a document.

    Raises
    ------
    ValueError
        If it is no YAML; the message says in which line of ``what``.
    """
    try:
        return yaml.load(content, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{what}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # dates and numbers that are none
        raise ValueError(f"{what}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{what}: nested too deep") from None


def read(path: Path) -> Any:
    """Read a file."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text") from None


def write(value: Any) -> str:
    """Return a document, keys in their order; lists of plain values stay in one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


class _Dumper(yaml.SafeDumper):
    """`yaml.SafeDumper` whose numbers are read back by any reader: ``5.0e-04``."""


def _number(dumper: Any, value: float) -> Any:
    written = repr(value)
    if "e" in written and "." not in written:
        written = written.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", written)


_Dumper.add_representer(float, _number)
