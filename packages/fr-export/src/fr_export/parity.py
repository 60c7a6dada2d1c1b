"""What an export lost: the same faces and pairs through the source and its exported files.

Two questions: is each image's embedding still the same, and does verification still come out the same?
All figures of verification are fr-eval's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fr_eval import InputError
from fr_eval.counting import SortedScores
from fr_eval.embed import ImageSource, describe_embedder, embed_images
from fr_eval.embedders import Embedder
from fr_eval.intervals import Rate
from fr_eval.kfold import contiguous_folds, kfold_accuracy
from fr_eval.protocols import PairList
from fr_eval.scoring import pair_scores
from fr_eval.verification import evaluate_verification, tar_at_far
from numpy.typing import NDArray

from fr_export._paired import Change, PersonDraws, Positions
from fr_export.parity_result import Judged, Parity, PointChange

if TYPE_CHECKING:
    from fr_eval.command_line import Progress

__all__ = ["PairTest", "compare", "embedded", "partial_name", "tells_faces_apart", "untold_faces"]

FARS = (1e-1, 1e-2, 1e-3)
N_FOLDS = 10
TIE = 1e-6  # of cosines of float32, in which two runtimes differ by less
# A fresh network gives nearly one vector for every face, or orders pairs hardly better than chance.
LARGEST_IMPOSTOR_MEAN = 0.9
LEAST_AUC = 0.75

Embeddings = NDArray[np.float32]


class PairTest:
    """Pairs of images that networks are judged on: whatever is wrong with them shows before any is embedded.

    Parameters
    ----------
    pairs : PairList
        With folds of its own, or cut into 10 in its order.
    what : str
        What messages call the list.

    Attributes
    ----------
    pairs : PairList
    names : list of str
        Of the images, each once, sorted: the order of embeddings.
    fold_of : ndarray of int64, shape (P,)
        The fold of each pair, from 0.
    draws : PersonDraws
        Common to all files that are compared.
    n_impostor_persons : int
        Whose the impostor pairs are.

    Raises
    ------
    InputError
        Fewer pairs than folds, a fold of one class only, too few persons for intervals.
    """

    def __init__(self, pairs: PairList, what: str = "pairs") -> None:
        self.pairs = pairs
        self.names = sorted({*pairs.first, *pairs.second})
        self.fold_of = _checked_folds(pairs, what)
        persons = _persons(pairs)
        self.draws = PersonDraws(persons, pairs.is_same)
        self.n_impostor_persons = len(set(np.array(persons)[~pairs.is_same]))
        position = {name: row for row, name in enumerate(self.names)}
        self._first, self._second = (
            np.array([position[name] for name in side], np.int64) for side in (pairs.first, pairs.second)
        )

    def judge(self, embeddings: Embeddings) -> Judged:
        """Judge a network by its embeddings of `names`, float32 of shape (N, D)."""
        scores = pair_scores(embeddings, self._first, self._second)
        same = self.pairs.is_same
        result = evaluate_verification(scores[same], scores[~same], FARS)
        return Judged(scores, kfold_accuracy(scores, same, self.fold_of), result)


def embedded(
    model: Path,
    embedder: Embedder,
    folder: Path,
    names: Sequence[str],
    partial: Path,
    progress: Progress | None = None,
    flip: bool = False,
) -> Embeddings:
    """Embed images by a model that has been loaded; finished chunks are kept in the folder `partial`.

    With `flip`, the mirror image's embedding is added.

    Raises
    ------
    InputError
        Images that are missing or of another size, embeddings of zeros or NaN.
    """
    source = ImageSource.of_files(folder, names)
    try:
        return embed_images(source, embedder, partial, flip=flip, progress=progress)
    except InputError as error:
        raise InputError(str(error) if str(model) in str(error) else f"{model}: {error}") from None


def partial_name(model: Path, embedder: Embedder, flip: bool) -> str:
    """Name the folder of a model's unfinished work by what it is, not by its place among others."""
    told = json.dumps([describe_embedder(embedder), flip], sort_keys=True)
    return f"{model.name}.{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def tells_faces_apart(source: Judged, pairs: PairList) -> bool:
    """Say whether a source knows faces at all, so that its exports can lose something."""
    impostor_mean = float(source.scores[~pairs.is_same].mean())
    return impostor_mean <= LARGEST_IMPOSTOR_MEAN and source.verification.auc >= LEAST_AUC


def untold_faces(name: str, figures: str) -> str:
    """Say that a model does not tell faces apart, and by which figures."""
    return (
        f"{name} does not tell faces apart ({figures}): has it been trained, are the images faces as it "
        "wants them?"
    )


def compare(
    path: Path,
    test: PairTest,
    source: Embeddings,
    before: Judged,
    exported: Embeddings,
    flip_sum: bool = False,
) -> Parity:
    """Compare an exported file's embeddings of a test's images with the source's.

    Parameters
    ----------
    path : Path
        The exported file.
    test : PairTest
    source : ndarray of float32, shape (N, D)
    before : Judged
        What the test says of the source.
    exported : ndarray of float32, shape (N, D)
    flip_sum : bool
        Whether both are sums of the image's and its mirror image's, of which one model gives the sum itself.

    Raises
    ------
    InputError
        Embeddings of other shapes.
    """
    if source.shape != exported.shape:
        raise InputError(
            f"{path}: embeddings of {exported.shape[1]} dimensions, the source's have {source.shape[1]}"
        )
    after = test.judge(exported)
    unit_source, unit_exported = _unit(source), _unit(exported)
    cosines = np.einsum("nd,nd->n", unit_source, unit_exported)
    return Parity(
        path=path,
        cosines=cosines,
        worst_image=test.names[int(cosines.argmin())],
        max_unit_difference=float(np.abs(unit_source - unit_exported).max()),
        before=before,
        after=after,
        accuracy_change=_accuracy_change(before, after, test),
        points=_point_changes(before, after, test),
        flip_sum=flip_sum,
    )


def _accuracy_change(before: Judged, after: Judged, test: PairTest) -> Change:
    """Return the change of the k-fold accuracy, its interval from the pairs that changed sides."""

    def right(judge: Judged) -> NDArray[np.int64]:
        accepted = judge.scores >= np.array(judge.kfold.threshold.folds)[test.fold_of]
        return (accepted == test.pairs.is_same).astype(np.int64)

    gained = right(after) - right(before)
    value = after.kfold.accuracy.mean - before.kfold.accuracy.mean
    (interval,) = test.draws.intervals(lambda drawn: [float(gained[drawn].mean())])
    return Change.of(value, interval, len(gained))


def _point_changes(before: Judged, after: Judged, test: PairTest) -> tuple[PointChange, ...]:
    """Return the change at each target FAR.

    In a draw each network's own threshold is set anew; the source's, which a user has set, stays. That is the
    score of an impostor pair, or just above the highest: a file that rounds nothing may put that pair a last
    digit beside it, on the other side.
    """
    olds, news = before.verification.operating_points, after.verification.operating_points
    set_before = np.array([old.threshold + (-TIE if old.false_accepts.count else TIE) for old in olds])

    def sorted_scores(judge: Judged, drawn: Positions | slice) -> SortedScores:
        scores, same = judge.scores[drawn], test.pairs.is_same[drawn]
        return SortedScores.of(scores[same], scores[~same])

    def figures(drawn: Positions) -> list[float]:
        scores = [sorted_scores(judge, drawn) for judge in (before, after)]
        then, now = (tar_at_far(judge, FARS) for judge in scores)
        changes = [new.tar - old.tar for old, new in zip(then, now, strict=True)]
        return [*changes, *scores[1].far(set_before)]

    intervals = test.draws.intervals(figures)
    scores = sorted_scores(after, slice(None))
    points = []
    for position, (old, new) in enumerate(zip(olds, news, strict=True)):
        change = Change.of(new.tar - old.tar, intervals[position], before.verification.n_genuine)
        accepted = Rate(int(scores.false_accepts(set_before[position])), scores.n_impostor)
        bound = accepted.bound_if_zero
        far_interval = intervals[len(olds) + position] if bound is None else (0.0, bound)
        points.append(PointChange(old, new, change, accepted, far_interval, test.n_impostor_persons))
    return tuple(points)


def _checked_folds(pairs: PairList, what: str) -> NDArray[np.int64]:
    """Return the fold of each pair, from 0; refuse folds that cannot be judged."""
    total = len(pairs.first)
    if pairs.folds is None and total < N_FOLDS:
        raise InputError(f"{what}: {total} pairs, expected {N_FOLDS} or more, to cut into {N_FOLDS} folds")
    folds = contiguous_folds(total, N_FOLDS) if pairs.folds is None else pairs.folds
    fold_of = np.unique(folds, return_inverse=True)[1]
    n_folds = int(fold_of.max()) + 1
    for fold in range(n_folds):
        same = pairs.is_same[fold_of == fold]
        if same.all() or not same.any():
            kind = "genuine" if same.all() else "impostor"
            order = ": a plain list is cut in its order, mix its lines" if pairs.folds is None else ""
            raise InputError(
                f"{what}: fold {fold + 1} of {n_folds} holds {kind} pairs only, expected both{order}"
            )
    return fold_of


def _persons(pairs: PairList) -> list[str]:
    """Return whose each pair is: the folder of its first image, or that image where it lies in none."""
    return [name.rpartition("/")[0] or name for name in pairs.first]


def _unit(rows: Embeddings) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    return exact / np.linalg.norm(exact, axis=1, keepdims=True)
