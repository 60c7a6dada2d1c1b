"""Training and test images of one dataset: by identity, by image, or by the people of a list of pairs.

Splits are selections (`fr_models.data.selection`): no image is copied. The same seed gives the same split of
the same labels on every machine and with every version of NumPy that keeps `numpy.random.PCG64`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fr_eval.errors import ParameterError
from fr_eval.protocols.pairs import PairList

from fr_models._checks import is_number
from fr_models.data.dataset import Dataset
from fr_models.data.selection import Selection

__all__ = ["people_of_folds", "split_by_people", "split_identities", "split_images"]


def split_identities(dataset: Dataset, test_share: float, seed: int = 0) -> tuple[Selection, Selection]:
    """Split people: no identity is on both sides.

    Parameters
    ----------
    dataset : Dataset
    test_share : float
        Share of the identities with images that become test identities, at least one and not all.
    seed : int

    Returns
    -------
    tuple of Selection
        Training and test images, the classes of each numbered anew.

    Raises
    ------
    ValueError
        If there are fewer than two identities, or the share is not in (0, 1).
    """
    present = np.unique(dataset.labels)
    if len(present) < 2:
        raise ValueError(f"identities: expected two or more with images, got {len(present)}")
    count = _share_of(len(present), test_share)
    order = np.argsort(_random_keys(len(present), seed), kind="stable")
    return _both_sides(dataset, np.isin(dataset.labels, present[order[:count]]))


def split_images(dataset: Dataset, test_share: float, seed: int = 0) -> tuple[Selection, Selection]:
    """Split the images of each person; one with a single image keeps it in training.

    Parameters
    ----------
    dataset : Dataset
    test_share : float
        Share of each identity's images, at least one and not all.
    seed : int

    Returns
    -------
    tuple of Selection
        Training and test images; both keep the numbers of the classes.

    Raises
    ------
    ValueError
        If every identity has one image, or the share is not in (0, 1).
    """
    keys = _random_keys(len(dataset), seed)
    order = np.lexsort((keys, dataset.labels))
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    is_test = np.zeros(len(dataset), bool)
    begin = 0
    for count in counts.tolist():
        if count > 1:
            is_test[order[begin : begin + _share_of(count, test_share)]] = True
        begin += count
    if not is_test.any():
        raise ValueError("images: every identity has one, expected one with two or more to split")
    rows = [np.flatnonzero(~is_test), np.flatnonzero(is_test)]
    return Selection(dataset, rows[0]), Selection(dataset, rows[1])


def people_of_folds(pairs: PairList, folds: Collection[int]) -> set[str]:
    """Give the people in the pairs of some folds.

    Parameters
    ----------
    pairs : PairList
        Of LFW's ``pairs.txt``, whose folds share no people.
    folds : collection of int
        Numbers from 1, as the protocol counts.

    Raises
    ------
    ValueError
        If the list has no folds, or no such fold.
    """
    chosen = pairs.of_folds(folds)
    return {Path(name).parent.name for name in (*chosen.first, *chosen.second)}


def split_by_people(dataset: Dataset, test_people: Collection[str]) -> tuple[Selection, Selection]:
    """Split by the names of the test identities.

    Parameters
    ----------
    dataset : Dataset
    test_people : collection of str
        Names of classes; those that the dataset does not have are left out.

    Returns
    -------
    tuple of Selection
        Training and test images, the classes of each numbered anew.

    Raises
    ------
    ValueError
        If none or all of the dataset's images are theirs.
    """
    wanted = set(test_people)
    is_wanted = np.array([name in wanted for name in dataset.class_names])
    is_test = is_wanted[dataset.labels]
    if is_test.all() or not is_test.any():
        raise ValueError(
            f"people: {'all' if is_test.any() else 'none'} of the images are of the {len(wanted)} test "
            f"people, such as {min(wanted, default='nobody')!r}"
        )
    return _both_sides(dataset, is_test)


def _both_sides(dataset: Dataset, is_test: npt.NDArray[np.bool_]) -> tuple[Selection, Selection]:
    training, test = (Selection(dataset, np.flatnonzero(side)) for side in (~is_test, is_test))
    return training.without_empty_classes(), test.without_empty_classes()


def _share_of(count: int, share: float) -> int:
    """Round a share of ``count`` things, two or more, to at least one and not all."""
    if not is_number(share) or not 0.0 < share < 1.0:
        raise ParameterError("test_share", f"expected a number in (0, 1), got {share!r}")
    return min(max(round(count * share), 1), count - 1)


def _random_keys(count: int, seed: int) -> npt.NDArray[np.uint64]:
    """Give raw numbers of PCG64, which NumPy promises to keep as they are."""
    return np.random.PCG64(seed).random_raw(count)
