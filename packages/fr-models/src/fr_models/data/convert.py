"""From one format to another, compared afterwards image by image.

Samples are written to ``OUTPUT.partial``; ``OUTPUT.partial.json`` says how many are on the disk, and of which
dataset, so that a killed conversion goes on from there. What is written is read again, and every label, class
name and SHA-256 compared, before it takes its name: under ``OUTPUT`` there is all or nothing. The journal
goes last, so that a kill at any place leaves either a name that is whole, or work that goes on. One process
at a time writes an output, by ``OUTPUT.partial.lock``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fr_eval.errors import ParameterError
from fr_eval.files import replacing, sync
from fr_eval.locks import written_alone

from fr_models.data._digest import HASH_BYTES, Progress, digest_of_hashes, fingerprint_of, hashes_of
from fr_models.data._images import suffix_of
from fr_models.data._journal import Journal, foreign
from fr_models.data._rows import RowsOf
from fr_models.data.dataset import Dataset
from fr_models.data.distillation import DistillationDataset, check_output, write_embeddings
from fr_models.data.formats import open_dataset
from fr_models.data.npz import write_npz
from fr_models.data.writing import FolderWriter, RecordIOWriter, TFRecordWriter, Writer

__all__ = ["FORMATS", "Conversion", "UnreadableImages", "convert_dataset", "unfinished"]

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
    """Images of a source that cannot be read, files that are no images, and records that it has lost.

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
        same name for their files. Embeddings become a new file ``OUTPUT.npy`` beside a folder.
    to : str
        ``folders``, ``recordio``, ``tfrecord`` or ``npz``. Folders and RecordIO are ordered by class.
    progress : callable, optional
        Called with the number of images done and in all; each is counted when it is written and when it is
        compared.

    Raises
    ------
    UnreadableImages
        If images of the source cannot be read or are no images; what is finished is kept, and all others are
        read, too, to name every one.
    ValueError
        If the output exists or lies in the source's folder, another process writes it, ``OUTPUT.partial`` is
        not of this function, unfinished work is of another dataset, or what was written differs.

    Examples
    --------
    >>> from fr_models.data import open_dataset
    >>> convert_dataset(open_dataset("faces"), Path("records"), "recordio")  # doctest: +SKIP
    """
    output = Path(output)
    if to not in FORMATS:
        raise ParameterError("to", f"expected one of {', '.join(FORMATS)}, got {to!r}")
    if output.exists() and not _is_named_only(output):
        raise ValueError(f"{output}: exists, expected a new name")
    source.expect_outside(output)
    if to == "npz":
        return _convert_to_npz(source, output, progress)
    return _convert_images(source, output, to, progress)


def unfinished(output: Path, to: str) -> Path:
    """Return where images lie until all are written; for ``npz``, those that are no files."""
    return _partial(Path(str(output).removesuffix(".npz")) if to == "npz" else output)


def _convert_images(
    source: Dataset, output: Path, to: str, progress: Progress | None, with_embeddings: bool = True
) -> Conversion:
    embeddings = output.with_name(f"{output.name}.npy")
    rows = source.embeddings if with_embeddings else None
    if rows is not None:
        check_output(embeddings)
        if embeddings.exists() and not _is_compared(source, output, to):
            raise ValueError(f"{embeddings}: exists, expected a new name")
    order = np.argsort(source.labels, kind="stable") if WRITERS[to].by_class else np.arange(len(source))
    data, path = unfinished(output, to), _journal(output)
    with written_alone(output):
        journal = Journal(fingerprint_of(source), to)
        if path.exists():
            journal = journal.read(path)
        elif data.exists():
            raise foreign(data)
        if output.exists() and journal.sha256 is None:
            raise ValueError(f"{output}: exists, expected a new name")
        if journal.written == 0 or not (data.exists() or output.exists()):
            journal = _begun(journal, path, data)
        if journal.sha256 is None:
            hashes = _write(source, order, data, journal, path, progress)
            digest = _compare(source, order, hashes, open_dataset(data), progress)
            journal = replace(journal, written=len(source), sha256=digest)
            journal.write(path)
        if not output.exists():
            if rows is not None:
                network = source.sidecar.embedder if isinstance(source, DistillationDataset) else {}
                write_embeddings(embeddings, open_dataset(data), output, _in_order(rows, order), network)
            os.replace(data, output)  # noqa: PTH105  as in replacing
            sync(output.parent)
    path.unlink(missing_ok=True)  # another process may have found all but this done
    assert journal.sha256 is not None
    kept = None if rows is None else embeddings
    return Conversion(output, len(source), len(source.class_names), journal.sha256, kept)


def _in_order(
    rows: npt.NDArray[np.float32] | RowsOf, order: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(order), READ_IMAGES):
        yield rows[order[start : start + READ_IMAGES]]


def _begun(journal: Journal, path: Path, data: Path) -> Journal:
    """Make the folder, empty, of work that its journal knows before it is there."""
    begun = replace(journal, written=0, length=0, sha256=None)
    begun.write(path)
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(parents=True)
    return begun


def _is_compared(source: Dataset, output: Path, to: str) -> bool:
    """Whether a conversion was killed when it had only embeddings to write, and to take its name."""
    path = _journal(output)
    return path.exists() and Journal(fingerprint_of(source), to).read(path).sha256 is not None


def _partial(output: Path) -> Path:
    return Path(f"{output}.partial")


def _journal(output: Path) -> Path:
    return Path(f"{output}.partial.json")


def _is_named_only(output: Path) -> bool:
    """Whether a conversion was killed between taking its name and removing its journal."""
    return _journal(output).exists() and not _partial(output).exists()


def _convert_to_npz(source: Dataset, output: Path, progress: Progress | None) -> Conversion:
    """List the images; where they are no files, write them to a folder of the same name first."""
    if output.suffix != ".npz":
        raise ValueError(f"{output}: expected the suffix .npz")
    with written_alone(output):
        order, listed = np.arange(len(source)), source
        if source.paths() is None:
            folder = output.with_suffix("")
            if not folder.exists() or _is_named_only(folder):
                _convert_images(source, folder, "folders", progress, with_embeddings=False)
            order, listed = np.argsort(source.labels, kind="stable"), open_dataset(folder)
            if source.embeddings is not None:
                listed.embeddings = source.embeddings[order]
        hashes = np.concatenate([hashes_of(images) for _, images in _blocks(source, order)])
        with replacing(output) as temporary:
            write_npz(temporary, listed)
            digest = _compare(source, order, hashes, open_dataset(temporary), progress)
    return Conversion(output, len(source), len(source.class_names), digest)


def _write(
    source: Dataset,
    order: npt.NDArray[np.int64],
    data: Path,
    journal: Journal,
    path: Path,
    progress: Progress | None,
) -> Hashes:
    """Write what is not yet written; give the SHA-256 of each image, in the order of writing."""
    writer = WRITERS[journal.format](data, source.labels[order], source.class_names)
    hashes = np.empty((len(source), HASH_BYTES), np.uint8)
    with closing(writer):
        writer.resume(journal.written, journal.length)
        for number, (start, images) in enumerate(_blocks(source, order), 1):
            hashes[start : start + len(images)] = hashes_of(images)
            for position, image in enumerate(images, start):
                if position >= journal.written:
                    writer.append(image, source.name(int(order[position])))
            if number % FLUSHED_BLOCKS == 0 or start + len(images) == len(source):
                length = writer.flush()
                replace(journal, written=writer.written, length=length).write(path)
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
            image = dataset.read(index)
            suffix_of(image, dataset.name(index))
            return image
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
