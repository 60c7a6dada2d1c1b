"""Embedding many images, so that a killed run goes on where it was.

Finished chunks are files in ``OUTPUT.partial/``, each written whole or not at all, beside a manifest of all
that decides their content. A run with another model, other images, options or versions, or on another
processor, refuses to go on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fr_eval.embedders import Embedder
from fr_eval.embeddings import EmbeddingSet, save_arrays
from fr_eval.errors import InputError
from fr_eval.files import write_text
from fr_eval.images import check_size, read_image
from fr_eval.locks import written_alone
from fr_eval.protocols.folders import ImageFolder
from fr_eval.provenance import machine, sha256_of_model, versions
from fr_eval.templates import combine_flip

__all__ = [
    "ImageSource",
    "describe_embedder",
    "embed_chunks",
    "embed_folder",
    "embed_images",
    "remove_partial",
]

CHUNK_IMAGES = 256
BATCH_IMAGES = 64
DECODERS = 4
DECODER = "opencv-python-headless"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageSource:
    """Images by position.

    Attributes
    ----------
    names : sequence of str
        For messages.
    load : callable
        Position to uint8 RGB image of shape (H, W, 3); all of one size.
    description : mapping
        JSON-ready values that change when any image does.
    """

    names: Sequence[str]
    load: Callable[[int], NDArray[np.uint8]]
    description: Mapping[str, Any]

    @classmethod
    def of_files(cls, folder: Path, names: Sequence[str]) -> ImageSource:
        """Return the images of a folder by relative name, known by name, size and time of change."""
        digest = hashlib.sha256()
        missing = []
        for name in names:
            try:
                status = (folder / name).stat()
            except FileNotFoundError:
                missing.append(name)
                continue
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        if missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise InputError(f"{folder}: {len(missing)} images are missing: {shown}")
        description = {"images": len(names), "files_sha256": digest.hexdigest()}
        return cls(names, lambda position: read_image(folder / names[position]), description)


def describe_embedder(embedder: Embedder) -> dict[str, Any]:
    """Return what identifies an embedder: the hash of its whole model and its preprocessing, or a name."""
    model = getattr(embedder, "model", None)
    if model is None:
        return {"embedder": getattr(embedder, "__qualname__", type(embedder).__qualname__)}
    preprocessing = embedder.preprocessing.to_fields()  # type: ignore[attr-defined]
    return {"model_sha256": sha256_of_model(model), "preprocessing": preprocessing}


def embed_folder(
    folder: Path, embedder: Embedder, output: Path, *, flip: bool = False, progress: Progress | None = None
) -> EmbeddingSet:
    """Embed every image below a folder, one subfolder an identity, and write an embedding set.

    Parameters
    ----------
    folder : Path
    embedder : callable
        uint8 RGB ``[B, H, W, 3]`` to float32 ``[B, D]``.
    output : Path
        The ``.npz`` file; ``OUTPUT.partial`` beside it holds unfinished work.
    flip : bool
        Add the embedding of the mirror image.
    progress : callable, optional
        Called with the number of images done and in all.

    Raises
    ------
    InputError
        An image that does not decode or has the wrong size (named; finished work is kept), unfinished work
        of another model, other images or versions, or another processor, another process that writes it.
    """
    images = ImageFolder.read(folder)
    source = ImageSource.of_files(images.folder, images.names)
    partial = output.with_name(output.name + ".partial")
    with written_alone(output):
        embeddings = embed_images(source, embedder, partial, flip=flip, progress=progress)
        result = EmbeddingSet(embeddings, np.array(images.names), images.labels)
        save_arrays(
            output,
            {
                "embeddings": result.embeddings,
                "labels": images.labels,
                "filenames": np.array(images.names),
                "identity_names": np.array(images.identities),
            },
        )
        remove_partial(partial)
    return result


def embed_images(
    source: ImageSource,
    embedder: Embedder,
    partial: Path,
    *,
    flip: bool = False,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Embed images chunk by chunk, keeping each chunk in the folder ``partial``.

    Returns
    -------
    ndarray of float32, shape (N, D)
        The caller removes ``partial``, by `remove_partial`, once it has stored them.
    """
    return np.concatenate(list(embed_chunks(source, embedder, partial, flip=flip, progress=progress)))


def embed_chunks(
    source: ImageSource,
    embedder: Embedder,
    partial: Path,
    *,
    flip: bool = False,
    progress: Progress | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Embed as `embed_images` does, then give the chunks one by one, for more than memory holds."""
    total = len(source.names)
    if total == 0:
        raise InputError("embed: no images")
    manifest = {**source.description, **describe_embedder(embedder), "flip": flip}
    manifest |= {**versions([DECODER, *getattr(embedder, "packages", ())]), "cpu": machine()["cpu"]}
    if not hasattr(embedder, "model"):  # two callables may share a name, but not what they make of an image
        manifest["first_embedding"] = hashlib.sha256(embedder(source.load(0)[None]).tobytes()).hexdigest()
    _open_partial(partial, manifest)
    chunks = {start: partial / f"{start:09d}.npz" for start in range(0, total, CHUNK_IMAGES)}
    todo = [start for start, path in chunks.items() if not path.exists()]
    done = total - sum(min(CHUNK_IMAGES, total - start) for start in todo)
    preprocessing = getattr(embedder, "preprocessing", None)
    size = preprocessing.size if preprocessing else None
    for start, images in _decoded(source, todo, size):
        if progress is not None:
            progress(done, total)
        embeddings = _embed_chunk(images, embedder, flip)
        _check_rows(source.names[start : start + len(images)], embeddings)
        save_arrays(chunks[start], {"embeddings": embeddings})
        done += len(images)
    if progress is not None:
        progress(total, total)
    return map(_read_chunk, chunks.values())


def remove_partial(partial: Path) -> None:
    """Remove finished chunks, the manifest last: without it nobody would know whose the others are."""
    for chunk in partial.glob("*.npz"):
        chunk.unlink()
    shutil.rmtree(partial)


def _open_partial(partial: Path, manifest: Mapping[str, Any]) -> None:
    path = partial / "manifest.json"
    text = json.dumps(manifest, sort_keys=True, indent=2)
    if not path.exists():
        partial.mkdir(parents=True, exist_ok=True)
        if any(entry.name != f".writing.{path.name}" for entry in partial.iterdir()):
            raise InputError(f"{partial}: exists, and is no unfinished work of this command")
        write_text(path, text)
        return
    found = path.read_text()
    if found != text:
        try:
            kept = dict(json.loads(found))
        except (TypeError, ValueError):
            raise InputError(f"{path}: damaged; delete its folder to start again") from None
        if not any(partial.glob("*.npz")):  # nothing is finished that others could go on with
            write_text(path, text)
            return
        changed = sorted(key for key in {*kept, *manifest} if kept.get(key) != manifest.get(key))
        raise InputError(
            f"{partial}: unfinished work with another {', '.join(changed)}; delete the folder to start again"
        )


def _decoded(
    source: ImageSource, starts: list[int], size: tuple[int, int] | None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield chunks of images, the next one being decoded while the caller works."""
    total = len(source.names)

    def submit(pool: ThreadPoolExecutor, start: int) -> list[Future[NDArray[np.uint8]]]:
        return [pool.submit(source.load, i) for i in range(start, min(start + CHUNK_IMAGES, total))]

    with ThreadPoolExecutor(DECODERS) as pool:
        pending = submit(pool, starts[0]) if starts else []
        for position, start in enumerate(starts):
            images = [future.result() for future in pending]
            _check_sizes(source, start, images, size)
            pending = submit(pool, starts[position + 1]) if position + 1 < len(starts) else []
            yield start, np.stack(images)


def _check_sizes(
    source: ImageSource, start: int, images: list[NDArray[np.uint8]], size: tuple[int, int] | None
) -> None:
    for offset, image in enumerate(images):
        if size is not None:
            check_size(image, size, source.names[start + offset])
        if image.shape != images[0].shape:
            first, other = images[0].shape[:2], image.shape[:2]
            raise InputError(
                f"{source.names[start + offset]}: {other[0]}x{other[1]} pixels, "
                f"but {source.names[start]} has {first[0]}x{first[1]}"
            )


def _embed_chunk(images: NDArray[np.uint8], embedder: Embedder, flip: bool) -> NDArray[np.float32]:
    batches = (images[start : start + BATCH_IMAGES] for start in range(0, len(images), BATCH_IMAGES))
    parts = []
    for batch in batches:
        embeddings = embedder(batch)
        if flip:
            embeddings = combine_flip(embeddings, embedder(np.ascontiguousarray(batch[:, :, ::-1])))
        parts.append(embeddings)
    return np.concatenate(parts)


def _check_rows(names: Sequence[str], embeddings: NDArray[np.float32]) -> None:
    """Name the first image whose embedding is unusable, before it becomes finished work."""
    if embeddings.ndim != 2 or len(embeddings) != len(names):
        raise InputError(f"embedder: returned shape {embeddings.shape}, expected ({len(names)}, dimensions)")
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1) | ~embeddings.any(axis=1))
    if bad.size:
        raise InputError(f"{names[bad[0]]}: its embedding is all zeros or holds NaN or infinity")


def _read_chunk(path: Path) -> NDArray[np.float32]:
    return EmbeddingSet.load(path).embeddings
