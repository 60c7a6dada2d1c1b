"""From one format to another, compared afterwards image by image.

Samples are written to ``OUTPUT.partial/data``; ``OUTPUT.partial/journal.json`` says how many are on the disk,
and of which dataset, so that a killed conversion goes on from there. What is written is read again, and every
label, class name and SHA-256 compared, before it takes its name: under ``OUTPUT`` there is all or nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fr_eval.provenance import write_json

from fr_models.data._digest import HASH_BYTES, Progress, digest_of_hashes, fingerprint_of, hashes_of
from fr_models.data.dataset import Dataset
from fr_models.data.distillation import DistillationDataset, check_output, write_embeddings
from fr_models.data.formats import open_dataset
from fr_models.data.npz import write_npz
from fr_models.data.writing import FolderWriter, RecordIOWriter, TFRecordWriter, Writer

__all__ = ["FORMATS", "Conversion", "UnreadableImages", "convert_dataset"]

WRITERS: dict[str, type[Writer]] = {
    "folders": FolderWriter,
    "recordio": RecordIOWriter,
    "tfrecord": TFRecordWriter,
}
FORMATS = (*WRITERS, "npz")
READ_IMAGES = 256
FLUSHED_BLOCKS = 16
READERS_AT_ONCE = 4

Hashes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes
    ----------
    output : Path
    images, classes : int
    sha256 : str
        The digest of source and output.
    embeddings : Path, optional
        The ``.npy`` file of the source's embeddings; a ``.npz`` file holds them itself.
    """

    output: Path
    images: int
    classes: int
    sha256: str
    embeddings: Path | None = None


class UnreadableImages(ValueError):
    """Images of a source that cannot be read, and records that it has lost.

    Attributes
    ----------
    faults : tuple of ValueError
        One for each, which names it.
    """

    def __init__(self, faults: Sequence[ValueError]) -> None:
        super().__init__(
            f"{len(faults):,} images or records cannot be read, the first: {faults[0]}; "
            "fr-data check --select leaves them out"
        )
        self.faults = tuple(faults)


def convert_dataset(source: Dataset, output: Path, to: str, progress: Progress | None = None) -> Conversion:
    """Write a dataset in another format, read it again and compare.

    Parameters
    ----------
    source : Dataset
    output : Path
        A new folder; for ``npz`` a new ``.npz`` file, and if the source's images are records, a folder of the
        same name for their files.
    to : str
        ``folders``, ``recordio``, ``tfrecord`` or ``npz``. Folders and RecordIO are ordered by class.
    progress : callable, optional
        Called with the number of images done and in all; each is counted when it is written and when it is
        compared.

    Raises
    ------
    UnreadableImages
        If images of the source cannot be read; what is finished is kept, and all others are read, too, to
        name every one.
    ValueError
        If the output exists, unfinished work is of another dataset, or what was written differs.

    Examples
    --------
    >>> from fr_models.data import open_dataset
    >>> convert_dataset(open_dataset("faces"), Path("records"), "recordio")  # doctest: +SKIP
    """
    output = Path(output)
    if to not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {to!r}")
    if output.exists():
        raise ValueError(f"{output}: exists, expected a new name")
    if to == "npz":
        return _convert_to_npz(source, output, progress)
    return _convert_images(source, output, to, progress)


def _convert_images(
    source: Dataset, output: Path, to: str, progress: Progress | None, with_embeddings: bool = True
) -> Conversion:
    embeddings = output.with_name(f"{output.name}.npy")
    rows = source.embeddings if with_embeddings else None
    if rows is not None:
        check_output(embeddings)
    partial = output.with_name(f"{output.name}.partial")
    data, journal = partial / "data", partial / "journal.json"
    if data.exists() and not journal.exists():  # nobody knows what of it is on the disk
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    order = np.argsort(source.labels, kind="stable") if WRITERS[to].by_class else np.arange(len(source))
    hashes = _write(source, order, partial, to, progress)
    written = open_dataset(data)
    digest = _compare(source, order, hashes, written, progress)
    if rows is not None:
        parts = (rows[order[start : start + READ_IMAGES]] for start in range(0, len(order), READ_IMAGES))
        network = source.sidecar.embedder if isinstance(source, DistillationDataset) else {}
        write_embeddings(embeddings, written, output, parts, network)
    journal.unlink()  # it must never speak of a folder that has left
    data.replace(output)
    shutil.rmtree(partial)
    return Conversion(
        output, len(source), len(source.class_names), digest, None if rows is None else embeddings
    )


def _convert_to_npz(source: Dataset, output: Path, progress: Progress | None) -> Conversion:
    """List the images; where they are no files, write them to a folder of the same name first."""
    if output.suffix != ".npz":
        raise ValueError(f"{output}: expected the suffix .npz")
    order, listed = np.arange(len(source)), source
    if source.paths() is None:
        folder = output.with_suffix("")
        if not folder.exists():
            _convert_images(source, folder, "folders", progress, with_embeddings=False)
        order, listed = np.argsort(source.labels, kind="stable"), open_dataset(folder)
        if source.embeddings is not None:
            listed.embeddings = source.embeddings[order]
    hashes = np.concatenate([hashes_of(images) for _, images in _blocks(source, order)])
    try:
        write_npz(output, listed)
        digest = _compare(source, order, hashes, open_dataset(output), progress)
    except ValueError:
        output.unlink(missing_ok=True)
        raise
    return Conversion(output, len(source), len(source.class_names), digest)


def _write(
    source: Dataset, order: npt.NDArray[np.int64], partial: Path, to: str, progress: Progress | None
) -> Hashes:
    """Write what is not yet written; give the SHA-256 of each image, in the order of writing."""
    journal = partial / "journal.json"
    of = {"source": fingerprint_of(source), "format": to}
    done, length = _read_journal(journal, of)
    writer = WRITERS[to](partial / "data", source.labels[order], source.class_names)
    hashes = np.empty((len(source), HASH_BYTES), np.uint8)
    with closing(writer):
        writer.resume(done, length)
        for number, (start, images) in enumerate(_blocks(source, order), 1):
            hashes[start : start + len(images)] = hashes_of(images)
            for position, image in enumerate(images, start):
                if position >= done:
                    writer.append(image, source.name(int(order[position])))
            if number % FLUSHED_BLOCKS == 0 or start + len(images) == len(source):
                write_json(journal, {**of, "length": writer.flush(), "written": writer.written})
            if progress is not None:
                progress(start + len(images), 2 * len(source))
        writer.finish()
    return hashes


def _compare(
    source: Dataset,
    order: npt.NDArray[np.int64],
    hashes: Hashes,
    written: Dataset,
    progress: Progress | None,
) -> str:
    """Read what was written; give the digest, or name the first image that differs."""
    if written.class_names != source.class_names or not np.array_equal(written.labels, source.labels[order]):
        raise ValueError(f"{written.name(0)}: read again, labels or class names differ from the source's")
    for start, images in _blocks(written, np.arange(len(written))):
        differs = np.flatnonzero((hashes_of(images) != hashes[start : start + len(images)]).any(axis=1))
        if differs.size:
            position = start + int(differs[0])
            raise ValueError(
                f"{written.name(position)}: read again, it differs from {source.name(int(order[position]))}"
            )
        if progress is not None:
            progress(len(source) + start + len(images), 2 * len(source))
    return digest_of_hashes(written, hashes)


def _blocks(dataset: Dataset, order: npt.NDArray[np.int64]) -> Iterator[tuple[int, list[bytes]]]:
    """Read images in an order, some at once; give the position of the first of each block with them.

    From the first image on that cannot be read no block is given, but all are read, to name every fault.
    """
    faults: list[ValueError] = [*dataset.damage]

    def read(index: int) -> bytes | ValueError:
        try:
            return dataset.read(index)
        except ValueError as fault:
            return fault

    with ThreadPoolExecutor(READERS_AT_ONCE) as pool:
        for start in range(0, len(order), READ_IMAGES):
            images = list(pool.map(read, order[start : start + READ_IMAGES].tolist()))
            faults += [fault for fault in images if isinstance(fault, ValueError)]
            if not faults:
                yield start, [image for image in images if isinstance(image, bytes)]
    if faults:
        raise UnreadableImages(faults)


def _read_journal(path: Path, of: dict[str, str]) -> tuple[int, int]:
    """Tell how many samples are on the disk, and the length of the file that was growing."""
    if not path.exists():
        return 0, 0
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: fields[name] for name in of}
        done, length = int(fields["written"]), int(fields["length"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: damaged; delete its folder to start again") from None
    if kept != of:
        differ = ", ".join(name for name in of if kept[name] != of[name])
        raise ValueError(
            f"{path.parent}: unfinished work with another {differ}; delete the folder to start again"
        )
    return done, length
