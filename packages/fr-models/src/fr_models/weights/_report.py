"""What a file of weights gave to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Match:
    """A tensor of the model and where its numbers come from.

    Attributes
    ----------
    ours : str
        ``LAYER/TENSOR`` of the model.
    theirs : str
        Names of the file, joined by ``+`` where one tensor is computed of several; empty for one that the
        file leaves at its neutral value, such as the bias of a layer that has none there.
    shape : tuple of int
        Of the model's tensor.
    """

    ours: str
    theirs: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """What `load_weights` did.

    Attributes
    ----------
    file : str
        The file's name.
    matched : tuple of Match
        A row for each tensor of the model that has new numbers.
    missing : tuple of str
        Tensors of the model that keep their numbers, as counters and seeds do.
    unused : tuple of str
        Tensors of the file that nothing took, such as the class matrix of a training head.
    """

    file: str
    matched: tuple[Match, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a row a tensor: ``status`` (matched, missing, unused), ``ours``, ``theirs``, ``shape``."""
        import pandas as pd

        rows: list[tuple[str, str, str, tuple[int, ...] | None]] = [
            ("matched", match.ours, match.theirs, match.shape) for match in self.matched
        ]
        rows += [("missing", name, "", None) for name in self.missing]
        rows += [("unused", "", name, None) for name in self.unused]
        return pd.DataFrame(rows, columns=["status", "ours", "theirs", "shape"])

    def __str__(self) -> str:
        text = f"{self.file}: {len(self.matched)} tensors matched"
        for names, what in ((self.missing, "missing"), (self.unused, "not used")):
            if names:
                shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                text += f", {len(names)} {what} ({shown})"
        return text
