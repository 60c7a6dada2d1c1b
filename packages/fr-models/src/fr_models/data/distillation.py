"""A teacher's embeddings beside the images they were made of.

``teacher.npy`` is ``float32 [N, D]``, mapped into memory and never read whole; ``teacher.json`` names the
dataset, its fingerprint (compared whenever it is opened), the SHA-256 of all images in their order (compared
by `DistillationDataset.verify`), and the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from fr_eval.embeddings import check_embeddings
from fr_eval.files import replacing
from fr_eval.locks import written_alone

from fr_models._files import write_json
from fr_models.data._arrays import relative_to_file
from fr_models.data._digest import Progress, digest_of, fingerprint_of
from fr_models.data._images import decode_whole
from fr_models.data.dataset import Dataset

if TYPE_CHECKING:
    from fr_eval.embedders import Embedder

__all__ = ["DistillationDataset", "Sidecar", "embed_dataset", "read_sidecar", "write_embeddings"]


class Sidecar(NamedTuple):
    """What ``teacher.json`` says.

    Attributes
    ----------
    dataset : Path
    fingerprint, images_sha256 : str
    embedder : mapping
        The network: hash of its file and preprocessing.
    """

    dataset: Path
    fingerprint: str
    images_sha256: str
    embedder: Mapping[str, Any]


class DistillationDataset(Dataset):
    """A dataset with embeddings.

    Parameters
    ----------
    path : Path
        The ``.npy`` file.
    base : Dataset
        The images.
    sidecar : Sidecar

    Raises
    ------
    ValueError
        If the images are others than those that were embedded, or the array is no ``float32 [N, D]``.
    """

    def __init__(self, path: Path, base: Dataset, sidecar: Sidecar) -> None:
        self.path, self.base, self.sidecar = Path(path), base, sidecar
        try:
            embeddings = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged header raises whatever its bytes spell
            raise ValueError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
        if embeddings.dtype != np.float32 or embeddings.ndim != 2 or len(embeddings) != len(base):
            raise ValueError(
                f"{path}: expected float32 [{len(base)}, D], got {embeddings.dtype} {list(embeddings.shape)}"
            )
        if fingerprint_of(base) != sidecar.fingerprint:
            raise ValueError(
                f"{path}: made of other images, labels or classes than {sidecar.dataset} has now"
            )
        self.embeddings = embeddings
        self.labels, self.class_names, self.folders = base.labels, base.class_names, base.folders

    def read(self, index: int) -> bytes:
        """Give the image as the base does."""
        return self.base.read(index)

    def name(self, index: int) -> str:
        """Where the image is."""
        return self.base.name(index)

    def paths(self) -> list[str] | None:
        """Paths of the files, if the base has files."""
        return self.base.paths()

    def stamp(self) -> str | None:
        """Of the base."""
        return self.base.stamp()

    def verify(self, progress: Progress | None = None) -> None:
        """Read all images and embeddings.

        Raises
        ------
        ValueError
            If an image is another one than that which was embedded, or an embedding is not finite or zero.
        """
        assert isinstance(self.embeddings, np.ndarray)
        check_embeddings(self.embeddings, str(self.path))
        if digest_of(self.base, progress, in_order=True) != self.sidecar.images_sha256:
            raise ValueError(f"{self.path}: made of other images than {self.sidecar.dataset} has now")


def read_sidecar(path: Path) -> Sidecar:
    """Read ``teacher.json`` for ``teacher.npy``."""
    sidecar = path.with_suffix(".json")
    try:
        fields = json.loads(sidecar.read_text(encoding="utf-8"))
        texts = [fields[name] for name in ("dataset", "fingerprint", "images_sha256")]
        embedder = dict(fields["embedder"])
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
    except FileNotFoundError:
        raise ValueError(f"{path}: no {sidecar.name} beside it, which names the images") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{sidecar}: not the JSON that describes embeddings of a dataset") from None
    return Sidecar(path.parent / texts[0], texts[1], texts[2], embedder)


def check_output(path: Path) -> None:
    """Refuse to write embeddings over a ``.json`` file of something else, such as a model's preprocessing."""
    if path.suffix != ".npy":
        raise ValueError(f"{path}: expected a .npy file to write embeddings to")
    sidecar = path.with_suffix(".json")
    if sidecar.exists():
        try:
            read_sidecar(path)
        except ValueError:
            raise ValueError(f"{path}: would write over {sidecar}, which is something else") from None


def write_embeddings(
    path: Path,
    dataset: Dataset,
    dataset_path: Path,
    parts: Iterable[npt.NDArray[np.float32]],
    embedder: Mapping[str, Any],
) -> None:
    """Write the embeddings of a dataset's images, in their order; whole or not at all.

    Parameters
    ----------
    path : Path
        With the suffix ``.npy``.
    dataset : Dataset
    dataset_path : Path
        Where it is.
    parts : iterable of float32 ``[n, D]``
        One after the other all of its embeddings.
    embedder : mapping
        JSON-ready description of the network.

    Raises
    ------
    ValueError
        If an embedding is zero or not finite, or there are more or fewer than images.
    """
    check_output(path)
    fields = {
        "dataset": relative_to_file(dataset_path, path),
        "fingerprint": fingerprint_of(dataset),
        "images_sha256": digest_of(dataset, in_order=True),
        "images": len(dataset),
        "embedder": dict(embedder),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        rows, dimensions = 0, 0
        for part in parts:
            check_embeddings(part, f"embeddings from {rows} on")
            if rows == 0:
                dimensions = part.shape[1]
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(dataset), dimensions)}
                np.lib.format.write_array_header_1_0(file, header)
            if part.shape[1] != dimensions:
                raise ValueError(f"embeddings from {rows} on: {part.shape[1]} numbers, expected {dimensions}")
            file.write(np.ascontiguousarray(part, "<f4").data)
            rows += len(part)
        if rows != len(dataset):
            raise ValueError(f"{path}: {rows} embeddings of {len(dataset)} images")
        path.unlink(missing_ok=True)  # a kill must not leave what describes the new ones with the old ones
        write_json(path.with_suffix(".json"), fields)


def embed_dataset(
    dataset: Dataset,
    dataset_path: Path,
    embedder: Embedder,
    output: Path,
    flip: bool = False,
    progress: Progress | None = None,
) -> None:
    """Embed the images of a dataset and write the embeddings; a killed run goes on where it was.

    Parameters
    ----------
    dataset : Dataset
    dataset_path : Path
        Where it is.
    embedder : callable
        uint8 RGB ``[B, H, W, 3]`` to float32 ``[B, D]``, as `fr_eval.embedders.load_embedder` gives it.
    output : Path
        The ``.npy`` file; ``OUTPUT.partial`` beside it holds unfinished work.
    flip : bool
        Add the embedding of the mirror image.
    progress : callable, optional
        Called with the number of images done and in all.

    Raises
    ------
    ValueError
        An image that does not decode to its end or has the wrong size (named; finished work is kept),
        unfinished work of another network or other images, an output inside the dataset's folder, or another
        process that writes it.
    """
    from fr_eval.embed import ImageSource, describe_embedder, embed_chunks, remove_partial

    def load(index: int) -> npt.NDArray[np.uint8]:
        name = dataset.name(index)
        return np.asarray(decode_whole(dataset.read(index), name).convert("RGB"))

    check_output(output)
    dataset.expect_outside(output)
    names = [dataset.name(index) for index in range(len(dataset))]
    source = ImageSource(names, load, {"dataset_fingerprint": fingerprint_of(dataset)})
    partial = output.with_name(output.name + ".partial")
    with written_alone(output):
        parts = embed_chunks(source, embedder, partial, flip=flip, progress=progress)
        write_embeddings(output, dataset, dataset_path, parts, {**describe_embedder(embedder), "flip": flip})
        remove_partial(partial)
