"""How far long work on a dataset is: a JSON file that speaks only of what is on the disk.

It is there before the work is, so that what has a name of unfinished work and no journal is somebody else's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fr_models._files import write_json

__all__ = ["Journal", "foreign"]


@dataclass(frozen=True)
class Journal:
    """The state of a conversion or of a check.

    Attributes
    ----------
    source : str
        Fingerprint of the dataset.
    format : str
        What it becomes, or that it is checked.
    written : int
        Samples whose results are on the disk.
    length : int
        Bytes of the file that was growing then.
    sha256 : str, optional
        Of a conversion, the digest, once everything is written, read again and compared.
    """

    source: str
    format: str
    written: int = 0
    length: int = 0
    sha256: str | None = None

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_json(path, asdict(self))

    def read(self, path: Path) -> Journal:
        """Read the state of the same work; it is that of the start where nothing was finished.

        Raises
        ------
        ValueError
            If the file is damaged, or finished work is of another source or format.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            digest = fields["sha256"]
            found = Journal(
                fields["source"],
                fields["format"],
                int(fields["written"]),
                int(fields["length"]),
                None if digest is None else str(digest),
            )
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path}: damaged; delete it and {path.stem} to start again") from None
        if found.written == 0:
            return self
        for name in ("source", "format"):
            if getattr(found, name) != getattr(self, name):
                raise ValueError(
                    f"{path.with_suffix('')}: unfinished work with another {name}; "
                    f"delete it and {path.name} to start again"
                )
        return found


def foreign(path: Path) -> ValueError:
    """Return the error of a path that has a name of unfinished work, and no journal."""
    return ValueError(f"{path}: exists, and is no unfinished work of this command")
