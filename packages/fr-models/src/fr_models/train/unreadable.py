"""Images that cannot be read, in a run that goes on without them: each is named once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["UnreadableImages"]

NAMED_IMAGES = 3


class UnreadableImages:
    """Names them.

    Parameters
    ----------
    say : callable
        Told of them in a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def look(self, unreadable: Mapping[str, str]) -> None:
        """Name those of images, with what is wrong with each, that have not been named yet."""
        if new := [reason for name, reason in unreadable.items() if name not in self._said]:
            self._said.update(unreadable)
            named = [*new[:NAMED_IMAGES], *([f"{len(new)} in all"] if len(new) > NAMED_IMAGES else [])]
            self._say(f"data: replaced by others of their classes: {'; '.join(named)}")
