"""The file layout of IJB-B and IJB-C, for 1:1 and 1:N, whatever the prefix of the files.

``PREFIX_face_tid_mid.txt``            image, template, medium; a line an image
``PREFIX_name_5pts_score.txt``         image, ten landmark coordinates, detector score; the same lines
``PREFIX_template_pair_label.txt``     template, template, 1 or 0; a line a pair (1:1)
``PREFIX_1N_gallery_*.csv``            template, subject, ...; a header, a line an image (1:N)
``PREFIX_1N_probe_mixed.csv``          the same for the probes (1:N)

The files lie in the folder itself or in its subfolder ``meta``. IJB-C calls its galleries G1 and G2, IJB-B
S1 and S2; names are taken from the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embeddings import EmbeddingSet
from fr_eval.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Enrolment", "IjbLayout", "TemplatePairs"]


@dataclass(frozen=True)
class TemplatePairs:
    """1:1 pairs of templates.

    Attributes
    ----------
    first, second : ndarray of int64, shape (P,)
        Template ids.
    is_same : ndarray of bool, shape (P,)
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    is_same: NDArray[np.bool_]


@dataclass(frozen=True)
class Enrolment:
    """Templates of a gallery, or of the probes, and whose they are.

    Attributes
    ----------
    templates : ndarray of int64, shape (T,)
        Template ids in the order of the file, each once.
    subjects : ndarray of int64, shape (T,)
    """

    templates: NDArray[np.int64]
    subjects: NDArray[np.int64]


@dataclass(frozen=True)
class IjbLayout:
    """The images of a layout; pairs and galleries are read when asked for.

    Attributes
    ----------
    folder : Path
        Where the files lie.
    prefix : str
    names : tuple of str, length N
        One a line of the meta file.
    templates, media : ndarray of int64, shape (N,)
    landmarks : ndarray of float64, shape (N, 5, 2)
    detector_score : ndarray of float64, shape (N,)
    """

    folder: Path
    prefix: str
    names: tuple[str, ...]
    templates: NDArray[np.int64]
    media: NDArray[np.int64]
    landmarks: NDArray[np.float64]
    detector_score: NDArray[np.float64]

    @classmethod
    def read(cls, folder: Path, prefix: str) -> IjbLayout:
        """Read the meta files.

        Raises
        ------
        InputError
            A missing file; a line with another number of fields, or with text where a number belongs (the
            file and the line are named); files that list different images.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        media_name = f"{prefix}_face_tid_mid.txt"
        if not (folder / media_name).exists() and (folder / "meta" / media_name).exists():
            folder = folder / "meta"
        media_path, points_path = folder / media_name, folder / f"{prefix}_name_5pts_score.txt"
        media = _read_table(media_path, [str, np.int64, np.int64])
        points = _read_table(points_path, [str] + [np.float64] * 11)
        if len(media) != len(points):
            raise InputError(f"{points_path}: {len(points)} lines, but {media_name} has {len(media)}")
        different = np.flatnonzero(media[0].to_numpy() != points[0].to_numpy())
        if different.size:
            raise InputError(f"{points_path}: line {different[0] + 1} is not about the image of {media_name}")
        numbers = points.iloc[:, 1:].to_numpy()
        return cls(
            folder,
            prefix,
            tuple(media[0]),
            media[1].to_numpy(),
            media[2].to_numpy(),
            numbers[:, :10].reshape(-1, 5, 2),
            numbers[:, 10],
        )

    def pairs(self) -> TemplatePairs:
        """Read the 1:1 pairs."""
        path = self.folder / f"{self.prefix}_template_pair_label.txt"
        table = _read_table(path, [np.int64] * 3).to_numpy()
        wrong = np.flatnonzero(~np.isin(table[:, 2], (0, 1)))
        if wrong.size:
            raise InputError(f"{path}: line {wrong[0] + 1}: label {table[wrong[0], 2]}, expected 0 or 1")
        return TemplatePairs(table[:, 0], table[:, 1], table[:, 2] == 1)

    def galleries(self) -> dict[str, Enrolment]:
        """Read the galleries by name, in the order of their names."""
        stem = f"{self.prefix}_1N_gallery_"
        paths = sorted(self.folder.glob(f"{stem}*.csv"))
        if not paths:
            raise InputError(f"{self.folder}: no {stem}*.csv, expected one file a gallery")
        return {path.stem.removeprefix(stem): _read_enrolment(path) for path in paths}

    def probes(self) -> Enrolment:
        """Read the probes."""
        return _read_enrolment(self.folder / f"{self.prefix}_1N_probe_mixed.csv")

    def rows_in(self, embeddings: EmbeddingSet) -> NDArray[np.int64]:
        """Return the embedding row of each image of the layout.

        By file name, if the set has names and they are those of the layout; by position, if it has no names
        and as many rows as the layout has images.
        """
        if embeddings.filenames is not None:
            return embeddings.rows_of(self.names)
        if len(embeddings) != len(self.names):
            raise InputError(
                f"embedding set: {len(embeddings)} rows without filenames for {len(self.names)} images "
                f"of {self.prefix}_face_tid_mid.txt, expected as many"
            )
        return np.arange(len(self.names))


def _read_table(path: Path, dtypes: list[type]) -> pd.DataFrame:
    """Read a table of fields separated by blanks, one type a column; numbers must be finite."""
    try:
        table = _parse_blanks(path, dict(enumerate(dtypes)))
    except (ValueError, OverflowError):
        raise _first_fault(path, dtypes) from None
    numbers = table.select_dtypes("number").to_numpy()
    if table.shape[1] != len(dtypes) or not np.isfinite(numbers).all():
        raise _first_fault(path, dtypes)
    return table


def _parse_blanks(path: Path, dtype: Any) -> pd.DataFrame:
    import csv

    import pandas as pd

    try:
        return pd.read_csv(
            path, sep=r"\s+", header=None, dtype=dtype, quoting=csv.QUOTE_NONE, keep_default_na=False
        )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def _first_fault(path: Path, dtypes: list[type]) -> InputError:
    """Return the error that names the first line at fault, read again as text."""
    try:
        table = _parse_blanks(path, str)
    except ValueError as error:
        return InputError(f"{path}: {' '.join(str(error).split())}")
    if table.shape[1] != len(dtypes):
        return InputError(f"{path}: {table.shape[1]} fields a line, expected {len(dtypes)}")
    short = np.flatnonzero(table.isna().any(axis=1) | (table == "").any(axis=1))
    if short.size:
        return InputError(f"{path}: line {short[0] + 1}: fewer than {len(dtypes)} fields")
    return _not_a_number(path, table, [n for n, dtype in enumerate(dtypes) if dtype is not str], dtypes, 1)


def _not_a_number(
    path: Path, table: pd.DataFrame, columns: list[int], dtypes: list[type], first_line: int
) -> InputError:
    """Return the error that names the first field of these columns that is not a number of its type."""
    import pandas as pd

    for column in columns:
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        whole = dtypes[column] is np.int64
        bad = ~np.isfinite(numbers) | (whole & ((numbers != np.floor(numbers)) | (abs(numbers) >= 2.0**63)))
        if bad.any():
            line = int(bad.argmax())
            kind = "a whole number" if whole else "a number"
            return InputError(
                f"{path}: line {line + first_line}: {table[column].iloc[line]!r}, expected {kind}"
            )
    return InputError(f"{path}: not a table of numbers")


def _read_enrolment(path: Path) -> Enrolment:
    """Read templates and subjects; a template's images repeat it, and must repeat its subject."""
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, usecols=[0, 1], keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    if str(table.columns[0]).isdecimal():
        raise InputError(f"{path}: line 1: expected a header, got the number {table.columns[0]}")
    table.columns = pd.RangeIndex(2)
    if table.empty:
        raise InputError(f"{path}: no templates")
    try:
        ids = table.to_numpy().astype(np.int64)
    except (ValueError, OverflowError):
        raise _not_a_number(path, table, [0, 1], [np.int64] * 2, 2) from None
    templates, first = np.unique(ids[:, 0], return_index=True)
    subject_of = ids[first, 1]
    conflict = np.flatnonzero(subject_of[np.searchsorted(templates, ids[:, 0])] != ids[:, 1])
    if conflict.size:
        line = conflict[0]
        raise InputError(
            f"{path}: line {line + 2}: template {ids[line, 0]} has a second subject {ids[line, 1]}"
        )
    in_file_order = np.sort(first)
    return Enrolment(ids[in_file_order, 0], ids[in_file_order, 1])
