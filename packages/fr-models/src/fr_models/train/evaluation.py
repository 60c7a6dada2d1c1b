"""Verification and identification while a model trains: the figures of fr-eval's commands, by short names.

Every evaluation gives numbers by names such as ``accuracy`` or ``tar@0.001``; the history puts the name of
the evaluation before them, ``lfw.accuracy``. Pairs give `PAIR_FIGURES`, the accuracies in folds where each
fold holds pairs of both kinds; a folder gives the true accept rates over all pairs of its images; an IJB
layout gives `RATES_11` of its template pairs, and `RATES_1N` where it has galleries. Its accuracy would say
how many of millions of impostors are rejected, and little else.

Images of another size than the network's are resized as those of the training are.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from fr_eval import (
    InputError,
    VerificationResult,
    aggregate_templates,
    evaluate_verification,
    kfold_accuracy,
    search_galleries,
)
from fr_eval.alignment import align_face
from fr_eval.embed import ImageSource, embed_images
from fr_eval.embedders import Embedder
from fr_eval.identification import evaluate_identification
from fr_eval.images import decode_image, read_image
from fr_eval.protocols.bins import BinSet, read_bin
from fr_eval.protocols.folders import ImageFolder
from fr_eval.protocols.ijb import Enrolment, IjbLayout, TemplatePairs
from fr_eval.protocols.pairs import PairList, read_pairs
from fr_eval.scoring import AllPairs, all_pairs, pair_scores
from numpy.typing import NDArray

__all__ = ["BinPairs", "Evaluation", "FolderPairs", "IjbSet", "ListedPairs"]

FARS = (1e-2, 1e-3, 1e-4)
FPIRS = (1e-1, 1e-2)
RANKS = (1, 5)
TARS = tuple(f"tar@{far:g}" for far in FARS)
RATES_11 = ("auc", "eer", *TARS)
PAIR_FIGURES = ("accuracy", "accuracy_std", "max_accuracy", "threshold", *RATES_11)
RATES_1N = (*(f"rank{rank}" for rank in RANKS), *(f"tpir@{fpir:g}" for fpir in FPIRS))

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation(ABC):
    """Images of people, and what is asked about them.

    Attributes
    ----------
    name : str
        In the history.
    flip : bool
        Whether the embedding of the mirror image is added.
    """

    name: str
    flip: bool

    figures: ClassVar[tuple[str, ...]]
    """Names of what `measure` may return."""

    def measure(self, embedder: Embedder, progress: Progress | None = None) -> dict[str, float]:
        """Embed the images and return figures by name.

        Raises
        ------
        fr_eval.InputError
            If an image cannot be read, or an embedding is not finite or 0.
        """
        with self._named():
            asked, images = self._contents
            return self._figures(asked, self._embedded(images, embedder, progress))

    def check(self) -> None:
        """Read the lists and the first image, so that nothing is trained before they are right.

        Raises
        ------
        fr_eval.InputError
            If a list is not as expected or has pairs of one kind alone, images are missing, or the first
            cannot be read.
        """
        with self._named():
            _, images = self._contents
            images.load(0)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors of input begin with the key of the set."""
        try:
            yield
        except InputError as error:
            raise InputError(f"evaluate.sets.{self.name}: {error}") from None

    @cached_property
    def _contents(self) -> tuple[Any, ImageSource]:
        """What is read, once for all evaluations."""
        return self._read()

    @abstractmethod
    def _read(self) -> tuple[Any, ImageSource]:
        """Read what is asked, and where the images are."""

    @abstractmethod
    def _figures(self, asked: Any, rows: NDArray[np.float32]) -> dict[str, float]:
        """Return figures of the images' embeddings."""

    def _embedded(
        self, images: ImageSource, embedder: Embedder, progress: Progress | None
    ) -> NDArray[np.float32]:
        if (preprocessing := getattr(embedder, "preprocessing", None)) is not None:
            images = _of_size(images, preprocessing.size)
        with tempfile.TemporaryDirectory() as partial:
            return embed_images(images, embedder, Path(partial), flip=self.flip, progress=progress)


@dataclass(frozen=True)
class BinPairs(Evaluation):
    """The pairs of a ``.bin`` file."""

    file: Path
    figures = PAIR_FIGURES

    def _read(self) -> tuple[BinSet, ImageSource]:
        pairs = read_bin(self.file)
        _expect_both_kinds(pairs.is_same, self.file)
        names = [f"{self.file}: image {position}" for position in range(len(pairs.images))]
        return pairs, _images(names, lambda i: decode_image(pairs.images[i], names[i]))

    def _figures(self, pairs: BinSet, rows: NDArray[np.float32]) -> dict[str, float]:
        places = np.arange(0, len(rows), 2)
        return _of_pairs(pair_scores(rows, places, places + 1), pairs.is_same)


@dataclass(frozen=True)
class ListedPairs(Evaluation):
    """Pairs of a list such as LFW's ``pairs.txt``, all or those of some folds, and their images' folder."""

    pairs: Path
    images: Path
    folds: tuple[int, ...] | None = None
    figures = PAIR_FIGURES

    def _read(self) -> tuple[PairList, ImageSource]:
        pairs = read_pairs(self.pairs)
        if self.folds is not None:
            pairs = pairs.of_folds(self.folds)
        names = list(dict.fromkeys((*pairs.first, *pairs.second)))
        images = ImageSource.of_files(self.images, names)
        _expect_both_kinds(pairs.is_same, self.pairs)
        return pairs, images

    def _figures(self, pairs: PairList, rows: NDArray[np.float32]) -> dict[str, float]:
        place = {name: row for row, name in enumerate(dict.fromkeys((*pairs.first, *pairs.second)))}
        first, second = (np.array([place[name] for name in names]) for names in (pairs.first, pairs.second))
        return _of_pairs(pair_scores(rows, first, second), pairs.is_same, pairs.folds)


@dataclass(frozen=True)
class FolderPairs(Evaluation):
    """All pairs of the images of a folder, a subfolder a person."""

    folder: Path
    figures = TARS

    def _read(self) -> tuple[NDArray[np.int64], ImageSource]:
        images = ImageFolder.read(self.folder)
        if len(images.identities) < 2 or len(images.identities) == len(images.names):
            raise InputError(f"{self.folder}: expected people, some of them with two images or more")
        return images.labels, ImageSource.of_files(self.folder, images.names)

    def _figures(self, labels: NDArray[np.int64], rows: NDArray[np.float32]) -> dict[str, float]:
        found = all_pairs(rows, labels, FARS)
        assert isinstance(found, AllPairs)
        return {f"tar@{far:g}": float(tar) for far, tar in zip(found.fars, found.tar, strict=True)}


class _IjbTasks(NamedTuple):
    """What is asked of a layout: pairs of templates, and probes that are searched in galleries, if any."""

    layout: IjbLayout
    pairs: TemplatePairs | None
    search: tuple[Enrolment, dict[str, Enrolment]] | None


@dataclass(frozen=True)
class IjbSet(Evaluation):
    """A set in the layout of IJB: 1:1 where it lists template pairs, 1:N where it has galleries."""

    folder: Path
    prefix: str
    images: Path
    aligned: bool
    figures = (*RATES_11, *RATES_1N)

    def _read(self) -> tuple[_IjbTasks, ImageSource]:
        layout = IjbLayout.read(self.folder, self.prefix)
        ImageSource.of_files(self.images, layout.names)  # names all that are missing
        has_pairs = (layout.folder / f"{self.prefix}_template_pair_label.txt").exists()
        has_probes = (layout.folder / f"{self.prefix}_1N_probe_mixed.csv").exists()
        if not has_pairs and not has_probes:
            raise InputError(f"{layout.folder}: neither template pairs nor probes of {self.prefix}")
        pairs = layout.pairs() if has_pairs else None
        if pairs is not None:
            _expect_both_kinds(pairs.is_same, f"{layout.folder}: template pairs")
        tasks = _IjbTasks(
            layout,
            pairs,
            (layout.probes(), layout.galleries()) if has_probes else None,
        )
        return tasks, _images(layout.names, self._loader(layout))

    def _figures(self, tasks: _IjbTasks, rows: NDArray[np.float32]) -> dict[str, float]:
        templates = aggregate_templates(rows, tasks.layout.templates, tasks.layout.media)
        figures: dict[str, float] = {}
        if (pairs := tasks.pairs) is not None:
            first = templates.rows_of(pairs.first, "template pairs")
            second = templates.rows_of(pairs.second, "template pairs")
            scores = pair_scores(templates.embeddings, first, second)
            figures |= _rates(evaluate_verification(scores[pairs.is_same], scores[~pairs.is_same], FARS))
        if tasks.search is not None:
            figures |= _identification(*tasks.search, templates)
        return figures

    def _loader(self, layout: IjbLayout) -> Callable[[int], NDArray[np.uint8]]:
        def load(position: int) -> NDArray[np.uint8]:
            image = read_image(self.images / layout.names[position])
            return image if self.aligned else align_face(image, layout.landmarks[position])

        return load


def _expect_both_kinds(is_same: NDArray[np.bool_], where: str | Path) -> None:
    genuine = int(np.count_nonzero(is_same))
    if not 0 < genuine < len(is_same):
        found = f"{genuine} of one person and {len(is_same) - genuine} of two"
        raise InputError(f"{where}: expected pairs of one person and pairs of two, got {found}")


def _images(names: Sequence[str], load: Callable[[int], NDArray[np.uint8]]) -> ImageSource:
    return ImageSource(names, load, {"images": len(names)})


def _of_size(images: ImageSource, size: tuple[int, int]) -> ImageSource:
    from fr_models.data._decoding import resized  # imports TensorFlow

    def load(position: int) -> NDArray[np.uint8]:
        image = images.load(position)
        return image if image.shape[:2] == size else np.asarray(resized(image, size))

    return replace(images, load=load)


def _of_pairs(
    scores: NDArray[np.float32], is_same: NDArray[np.bool_], folds: NDArray[np.int64] | None = None
) -> dict[str, float]:
    result = evaluate_verification(scores[is_same], scores[~is_same], FARS)
    best, threshold = result.max_accuracy
    figures = {"max_accuracy": best, "threshold": threshold, **_rates(result)}
    try:
        accuracy = kfold_accuracy(scores, is_same, 10 if folds is None else folds).accuracy
    except InputError:  # fewer pairs than folds, or a list of one class after the other
        return figures
    return {"accuracy": accuracy.mean, "accuracy_std": accuracy.std, **figures}


def _rates(result: VerificationResult) -> dict[str, float]:
    """Return the figures that do not depend on the share of genuine pairs."""
    tars = {f"tar@{point.far:g}": point.tar for point in result.operating_points}
    return {"auc": result.auc, "eer": result.eer.value, **tars}


def _identification(probes: Enrolment, enrolments: dict[str, Enrolment], templates: Any) -> dict[str, float]:
    galleries = {}
    for name, enrolled in enrolments.items():
        rows = templates.rows_of(enrolled.templates, f"gallery {name}")
        galleries[name] = (templates.embeddings[rows], enrolled.subjects)
    searched = templates.embeddings[templates.rows_of(probes.templates, "probes")]
    result = evaluate_identification(search_galleries(searched, probes.subjects, galleries), FPIRS, RANKS)
    figures = {f"rank{rank}": result.mean_rank(rank) for rank in RANKS}
    return figures | {f"tpir@{fpir:g}": result.mean_tpir(place) for place, fpir in enumerate(FPIRS)}
