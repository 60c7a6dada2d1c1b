"""Writers of formats: samples one after the other into a folder that does not have its final name yet.

A writer can be killed at any moment, or the machine lose its power: what `Writer.flush` has brought to the
disk, names included, is what the next one goes on from, after `Writer.resume` has cut off the rest.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from fr_eval.files import replacing, sync, write_text

from fr_models.data import _recordio, _tfrecord
from fr_models.data._classes import write_class_names
from fr_models.data._images import image_size, suffix_of
from fr_models.data._reading import PositionalFile
from fr_models.data.tfrecord import CLASS_NAME, FORMAT, IMAGE, LABEL, scan_index, write_index

__all__ = ["FolderWriter", "RecordIOWriter", "TFRecordWriter", "Writer"]

MOST_RECORDS = 1 << 24
IMAGES_PER_SHARD = 1 << 16
SYNCED_AT_ONCE = 16


class Writer(ABC):
    """Writes one dataset.

    Parameters
    ----------
    folder : Path
        Where to; it exists.
    labels : int64 ``[N]``
        Of the samples, in the order in which they will come: by class if ``by_class``.
    class_names : list of str

    Raises
    ------
    ValueError
        If the format cannot hold such labels or names.
    """

    by_class = True

    def __init__(self, folder: Path, labels: npt.NDArray[np.int64], class_names: list[str]) -> None:
        self.folder, self.labels, self.class_names = folder, labels, class_names
        self.written = 0

    def append(self, image: bytes, name: str) -> None:
        """Write the next sample; ``name`` is what errors call it."""
        self._write(image, name)
        self.written += 1

    @abstractmethod
    def _write(self, image: bytes, name: str) -> None:
        """Write sample ``self.written``."""

    @abstractmethod
    def flush(self) -> int:
        """Bring what is written to the disk; return the length of the file that is growing."""

    @abstractmethod
    def resume(self, written: int, length: int) -> None:
        """Go on behind ``written`` samples, where that file had this length."""

    @abstractmethod
    def finish(self) -> None:
        """Write what describes the samples."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open, finished or not."""


class FolderWriter(Writer):
    """``NAME/00000001.jpg`` and so on, numbered through all classes."""

    def __init__(self, folder: Path, labels: npt.NDArray[np.int64], class_names: list[str]) -> None:
        super().__init__(folder, labels, class_names)
        for name in class_names:
            if name.startswith(".") or any(character in name for character in "/\\\0"):
                raise ValueError(f"class {name!r}: expected a name that a folder can have")
            (folder / name).mkdir(exist_ok=True)
        write_class_names(folder, class_names)
        self._unsynced: list[Path] = []

    def _write(self, image: bytes, name: str) -> None:
        person = self.class_names[self.labels[self.written]]
        path = self.folder / person / f"{self.written + 1:08d}{suffix_of(image, name)}"
        path.write_bytes(image)
        self._unsynced.append(path)

    def flush(self) -> int:
        """As in `Writer`; no file grows."""
        with ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:  # a disk takes many in the time of one
            for paths in (self._unsynced, {path.parent for path in self._unsynced}, [self.folder]):
                list(pool.map(sync, paths))
        self._unsynced.clear()
        return 0

    def resume(self, written: int, length: int) -> None:
        """Files behind ``written`` are written over."""
        self.written = written

    def finish(self) -> None:
        """Nothing remains to be written."""

    def close(self) -> None:
        """Nothing is open."""


class RecordIOWriter(Writer):
    """``train.rec``, ``.idx``, ``.lst`` and ``property`` in InsightFace's layout, and ``classes.txt``."""

    def __init__(self, folder: Path, labels: npt.NDArray[np.int64], class_names: list[str]) -> None:
        super().__init__(folder, labels, class_names)
        self._end = len(labels) + 1 + len(class_names)
        if self._end > MOST_RECORDS:
            raise ValueError(
                f"RecordIO: numbers of records are float32: expected at most {MOST_RECORDS} images and "
                f"classes, got {self._end}"
            )
        write_class_names(folder, class_names)
        self._file = (folder / "train.rec").open("ab")

    def _write(self, image: bytes, name: str) -> None:
        if self.written == 0:
            height, width = image_size(image, name)
            write_text(self.folder / "property", f"{len(self.class_names)},{height},{width}\n")
            self._put((len(self.labels) + 1.0, float(self._end)), True, 0, b"")
        suffix_of(image, name)
        self._put((float(self.labels[self.written]),), False, self.written + 1, image)

    def flush(self) -> int:
        """As in `Writer`."""
        return _flushed(self._file, self.folder)

    def resume(self, written: int, length: int) -> None:
        """As in `Writer`."""
        _cut(self._file, length)
        self.written = written

    def finish(self) -> None:
        """Write the ranges of the classes, and index, list and names."""
        ends = 1 + np.searchsorted(self.labels, np.arange(len(self.class_names) + 1))
        for label, (begin, end) in enumerate(pairwise(ends.tolist())):
            self._put((float(begin), float(end)), True, len(self.labels) + 1 + label, b"")
        _flushed(self._file, self.folder)
        offsets = _recordio.scan(PositionalFile(self.folder / "train.rec"))
        index = "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets))
        write_text(self.folder / "train.idx", index)
        with replacing(self.folder / "train.lst") as names, names.open("w", encoding="utf-8") as lines:
            for key, label in enumerate(self.labels.tolist(), 1):
                lines.write(f"{key}\t{label:.6f}\t{self.class_names[label]}/{key:08d}\n")

    def close(self) -> None:
        """As in `Writer`."""
        self._file.close()

    def _put(self, labels: tuple[float, ...], is_list: bool, key: int, image: bytes) -> None:
        self._file.write(_recordio.encode_record(_recordio.join_record(labels, is_list, key, image)))


class TFRecordWriter(Writer):
    """``train-00000-of-00004.tfrecord`` and so on, 65,536 images each, in the order of the source."""

    by_class = False

    def __init__(self, folder: Path, labels: npt.NDArray[np.int64], class_names: list[str]) -> None:
        super().__init__(folder, labels, class_names)
        shards = -(-len(labels) // IMAGES_PER_SHARD)
        self._names = [f"train-{shard:05d}-of-{shards:05d}.tfrecord" for shard in range(shards)]
        self._file: BinaryIO | None = None

    def _write(self, image: bytes, name: str) -> None:
        if self.written % IMAGES_PER_SHARD == 0:
            self.flush()
            self._open(is_new=True)
        assert self._file is not None
        label = int(self.labels[self.written])
        features = {
            IMAGE: image,
            FORMAT: b"png" if suffix_of(image, name) == ".png" else b"jpeg",
            LABEL: label,
            CLASS_NAME: self.class_names[label].encode(),
        }
        self._file.write(_tfrecord.encode_record(_tfrecord.encode_example(features)))

    def flush(self) -> int:
        """As in `Writer`."""
        return 0 if self._file is None else _flushed(self._file, self.folder)

    def resume(self, written: int, length: int) -> None:
        """As in `Writer`."""
        if written:
            self.written = written - 1
            self._open(is_new=False)
            assert self._file is not None
            _cut(self._file, length)
        self.written = written

    def finish(self) -> None:
        """Write ``tfrecord.json``."""
        self.close()
        index = scan_index([self.folder / name for name in self._names])
        write_index(self.folder, index._replace(class_names=self.class_names), self._names)

    def close(self) -> None:
        """As in `Writer`."""
        if self._file is not None:
            self._file.close()

    def _open(self, is_new: bool) -> None:
        self.close()
        path = self.folder / self._names[self.written // IMAGES_PER_SHARD]
        self._file = path.open("wb") if is_new else path.open("ab")


def _cut(file: BinaryIO, length: int) -> None:
    """Cut a file off, and go on at its end."""
    found = file.seek(0, os.SEEK_END)
    if found < length:
        raise ValueError(
            f"{file.name}: {found} bytes of unfinished work, expected {length}; delete its folder"
        )
    file.truncate(length)
    file.seek(0, os.SEEK_END)


def _flushed(file: BinaryIO, folder: Path) -> int:
    """Bring a file and its name to the disk; return its length."""
    file.flush()
    os.fsync(file.fileno())
    sync(folder)
    return file.tell()
