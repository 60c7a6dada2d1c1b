"""Records that are corrupt, and files that end before their last record does.

Each is named by its file, its number there, the byte where it begins, and what is wrong with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

__all__ = ["CorruptRecord", "Place", "TruncatedFile", "count_missing"]


class Place(NamedTuple):
    """Where a record is.

    Attributes
    ----------
    path : Path
    offset : int
        The byte where it begins.
    record : int, optional
        Its number in the file, from 0, or its key in the file's index.
    """

    path: Path
    offset: int
    record: int | None = None

    def __str__(self) -> str:
        record = "" if self.record is None else f"record {self.record} at "
        return f"{self.path}: {record}byte {self.offset}"


class CorruptRecord(ValueError):
    """A record that cannot be read, or is not what its file says elsewhere.

    Attributes
    ----------
    place : Place
    reason : str
    """

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason

    def numbered(self, record: int) -> Self:
        """Give the same with the record's number."""
        return type(self)(self.place._replace(record=record), self.reason)


class TruncatedFile(CorruptRecord):
    """A file that ends before its last record does: the place is that of the first one that is missing."""


def count_missing(
    damage: list[CorruptRecord], end: Place, expected: int, found: int, is_tail_lost: bool
) -> None:
    """Say once, last in a list of what is damaged in a file, how many records are neither found nor named.

    They are those behind its end, or lie where damage hides how many there were.

    Parameters
    ----------
    damage : list of CorruptRecord
        Of one file; changed in place.
    end : Place
        Where the file ends.
    expected, found : int
        How many records the file says that it has, and how many could be read.
    is_tail_lost : bool
        Whether the file ends with a good record that is not the last one.
    """
    cut = next((one for one in damage if isinstance(one, TruncatedFile)), None)
    missing = expected - found - len(damage) + (cut is not None)
    if missing <= 0:
        return
    said = f"{missing} of its {expected} records are missing"
    if cut is not None:
        damage.remove(cut)
        damage.append(TruncatedFile(cut.place, f"{cut.reason}: {said}"))
    elif is_tail_lost:
        damage.append(TruncatedFile(end, f"cut short: {said}"))
    else:
        damage.append(CorruptRecord(end, f"{missing} more of its {expected} records were not found"))
