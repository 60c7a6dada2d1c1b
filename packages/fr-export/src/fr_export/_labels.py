"""What tables and plots call files: their names, or their paths where names are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path


def labels(paths: Iterable[Path]) -> dict[Path, str]:
    """Return a label of each path, different for each."""
    distinct = list(dict.fromkeys(paths))
    names = Counter(path.name for path in distinct)
    return {path: path.name if names[path.name] == 1 else str(path) for path in distinct}
