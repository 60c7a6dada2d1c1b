"""What an export lost: the same faces and pairs through the source and its exported files.

Two questions: is each image's embedding still the same, and does verification still come out the same?
All figures of verification are fr-eval's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fr_eval import InputError
from fr_eval.counting import SortedScores
from fr_eval.embed import ImageSource, Progress, embed_images
from fr_eval.embedders import load_embedder
from fr_eval.intervals import Rate
from fr_eval.kfold import KFoldResult, contiguous_folds, kfold_accuracy
from fr_eval.protocols import PairList
from fr_eval.scoring import pair_scores
from fr_eval.verification import OperatingPoint, VerificationResult, evaluate_verification, tar_at_far
from numpy.typing import NDArray

from fr_export._paired import Change, PersonDraws

__all__ = ["Judged", "Parity", "PointChange", "compare", "embedded", "judged", "tells_faces_apart"]

FARS = (1e-1, 1e-2, 1e-3)
N_FOLDS = 10
# A fresh network gives nearly one vector for every face, or orders pairs hardly better than chance.
LARGEST_IMPOSTOR_MEAN = 0.9
LEAST_AUC = 0.75

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """One network on the pairs.

    Attributes
    ----------
    scores : ndarray of float32, shape (P,)
        Cosines.
    kfold : KFoldResult
    verification : VerificationResult
    """

    scores: NDArray[np.float32] = field(repr=False)
    kfold: KFoldResult
    verification: VerificationResult


@dataclass(frozen=True)
class PointChange:
    """One target FAR, before and after.

    Attributes
    ----------
    before, after : OperatingPoint
        Each at the threshold that its own impostor pairs set.
    tar_change : Change
    at_source_threshold : Rate
        False accepts of the exported model at the source's threshold.
    """

    before: OperatingPoint
    after: OperatingPoint
    tar_change: Change
    at_source_threshold: Rate

    @property
    def verdict(self) -> str:
        """Say whether the source's threshold still holds its FAR: ``holds``, ``unclear`` or ``exceeded``.

        ``unclear`` is a rate above the target, whose 95 % Wilson interval still reaches it.
        """
        if self.at_source_threshold.value <= self.before.far:
            return "holds"
        return "unclear" if self.at_source_threshold.interval[0] <= self.before.far else "exceeded"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        rate = self.at_source_threshold
        return {
            "far": self.before.far,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "tar_change": self.tar_change.to_json(),
            "at_source_threshold": {
                "far": rate.value,
                "false_accepts": rate.count,
                "n_impostor": rate.total,
                "interval": list(rate.interval),
                "verdict": self.verdict,
            },
        }


@dataclass(frozen=True)
class Parity:
    """An exported file beside its source.

    Attributes
    ----------
    path : Path
    cosines : ndarray of float64, shape (N,)
        Between both embeddings of each image.
    worst_image : str
        That of the smallest cosine.
    max_difference : float
        Of two numbers of an image's embeddings, at unit length.
    before, after : Judged
    accuracy_change : Change
        Of the k-fold accuracy; its interval takes the folds' thresholds as given.
    points : tuple of PointChange
        One a target FAR.
    """

    path: Path
    cosines: NDArray[np.float64] = field(repr=False)
    worst_image: str
    max_difference: float
    before: Judged
    after: Judged
    accuracy_change: Change
    points: tuple[PointChange, ...]

    @property
    def min_cosine(self) -> float:
        """Return the smallest cosine of an image."""
        return float(self.cosines.min())

    @property
    def p01_cosine(self) -> float:
        """Return the first percentile of the cosines."""
        return float(np.percentile(self.cosines, 1))

    @property
    def mean_cosine(self) -> float:
        """Return the mean cosine."""
        return float(self.cosines.mean())

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "file": self.path.name,
            "n_images": len(self.cosines),
            "min_cosine": self.min_cosine,
            "p01_cosine": self.p01_cosine,
            "mean_cosine": self.mean_cosine,
            "worst_image": self.worst_image,
            "max_difference": self.max_difference,
            "accuracy": {
                "before": self.before.kfold.to_json(),
                "after": self.after.kfold.to_json(),
                "change": self.accuracy_change.to_json(),
            },
            "tar_at_far": [point.to_json() for point in self.points],
            "verification": self.after.verification.to_json(),
        }


def embedded(
    model: Path, folder: Path, names: Sequence[str], partial: Path, progress: Progress | None = None
) -> Embeddings:
    """Embed images by a file, as its sidecar says; finished chunks are kept in the folder `partial`.

    Raises
    ------
    InputError
        A model without a sidecar, images that are missing or of another size, embeddings of zeros or NaN.
    """
    source = ImageSource.of_files(folder, names)
    try:
        return embed_images(source, load_embedder(model), partial, progress=progress)
    except InputError as error:
        raise InputError(str(error) if str(model) in str(error) else f"{model}: {error}") from None


def judged(embeddings: Embeddings, names: Sequence[str], pairs: PairList) -> Judged:
    """Judge embeddings of images by a list of pairs.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (N, D)
    names : sequence of str, length N
        Of the images, without repetition; all those of `pairs`.
    pairs : PairList
        Its own folds, or 10 contiguous ones.
    """
    position = {name: row for row, name in enumerate(names)}
    first, second = (
        np.array([position[name] for name in side], np.int64) for side in (pairs.first, pairs.second)
    )
    scores = pair_scores(embeddings, first, second)
    genuine, impostor = scores[pairs.is_same], scores[~pairs.is_same]
    result = evaluate_verification(genuine, impostor, FARS)
    return Judged(scores, kfold_accuracy(scores, pairs.is_same, _folds(pairs)), result)


def tells_faces_apart(source: Judged, pairs: PairList) -> bool:
    """Say whether a source knows faces at all, so that its exports can lose something."""
    impostor_mean = float(source.scores[~pairs.is_same].mean())
    return impostor_mean <= LARGEST_IMPOSTOR_MEAN and source.verification.auc >= LEAST_AUC


def compare(
    path: Path, names: Sequence[str], pairs: PairList, source: Embeddings, exported: Embeddings
) -> Parity:
    """Compare an exported file's embeddings of images with the source's.

    Parameters
    ----------
    path : Path
        The exported file.
    names : sequence of str, length N
        Of the images, without repetition; all those of `pairs`.
    pairs : PairList
    source, exported : ndarray of float32, shape (N, D)

    Raises
    ------
    InputError
        Embeddings of other shapes, pairs of one class only.
    """
    if source.shape != exported.shape:
        raise InputError(
            f"{path}: embeddings of {exported.shape[1]} dimensions, the source's have {source.shape[1]}"
        )
    before, after = (judged(rows, names, pairs) for rows in (source, exported))
    unit_source, unit_exported = _unit(source), _unit(exported)
    cosines = np.einsum("nd,nd->n", unit_source, unit_exported)
    draws = PersonDraws(_persons(pairs), pairs.is_same)
    return Parity(
        path=path,
        cosines=cosines,
        worst_image=names[int(cosines.argmin())],
        max_difference=float(np.abs(unit_source - unit_exported).max()),
        before=before,
        after=after,
        accuracy_change=_accuracy_change(before, after, pairs, draws),
        points=_point_changes(before, after, pairs, draws),
    )


def _accuracy_change(before: Judged, after: Judged, pairs: PairList, draws: PersonDraws) -> Change:
    """Return the change of the k-fold accuracy, its interval from the pairs that changed sides."""
    fold_of = np.unique(_folds(pairs), return_inverse=True)[1]

    def right(judge: Judged) -> NDArray[np.int64]:
        accepted = judge.scores >= np.array(judge.kfold.threshold.folds)[fold_of]
        return (accepted == pairs.is_same).astype(np.int64)

    gained = right(after) - right(before)
    value = after.kfold.accuracy.mean - before.kfold.accuracy.mean
    (change,) = draws.changes([value], lambda drawn: [float(gained[drawn].mean())], len(gained))
    return change


def _point_changes(
    before: Judged, after: Judged, pairs: PairList, draws: PersonDraws
) -> tuple[PointChange, ...]:
    """Return the change at each target FAR; each draw sets its own thresholds."""

    def sorted_scores(judge: Judged, drawn: NDArray[np.int64] | slice) -> SortedScores:
        scores, same = judge.scores[drawn], pairs.is_same[drawn]
        return SortedScores.of(scores[same], scores[~same])

    def differences(drawn: NDArray[np.int64]) -> list[float]:
        then, now = (tar_at_far(sorted_scores(judge, drawn), FARS) for judge in (before, after))
        return [new.tar - old.tar for old, new in zip(then, now, strict=True)]

    olds, news = before.verification.operating_points, after.verification.operating_points
    values = [new.tar - old.tar for old, new in zip(olds, news, strict=True)]
    changes = draws.changes(values, differences, before.verification.n_genuine)
    scores = sorted_scores(after, slice(None))
    accepted = [Rate(int(scores.false_accepts(old.threshold)), scores.n_impostor) for old in olds]
    return tuple(map(PointChange, olds, news, changes, accepted))


def _folds(pairs: PairList) -> NDArray[np.int64]:
    return contiguous_folds(len(pairs.first), N_FOLDS) if pairs.folds is None else pairs.folds


def _persons(pairs: PairList) -> list[str]:
    """Return whose each pair is: the folder of its first image, or that image where it lies in none."""
    return [name.rpartition("/")[0] or name for name in pairs.first]


def _unit(rows: Embeddings) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)
