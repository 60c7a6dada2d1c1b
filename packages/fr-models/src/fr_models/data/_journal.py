"""How far a conversion is: a JSON file that speaks only of what is on the disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fr_models._files import write_json


@dataclass(frozen=True)
class Journal:
    """The state of a conversion.

    Attributes
    ----------
    source : str
        Fingerprint of the dataset that is converted.
    format : str
        What it becomes.
    written : int
        Samples that are on the disk.
    length : int
        Bytes of the file that was growing then.
    sha256 : str, optional
        The digest, once everything is written, read again and compared.
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
        """Read the state of the same conversion.

        Raises
        ------
        ValueError
            If the file is damaged, or of another source or format.
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
        for name in ("source", "format"):
            if getattr(found, name) != getattr(self, name):
                raise ValueError(
                    f"{path.with_suffix('')}: unfinished work with another {name}; "
                    f"delete it and {path.name} to start again"
                )
        return found
