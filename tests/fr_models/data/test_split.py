"""Splits: disjoint, whole, repeatable; and the people of LFW's folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fr_eval.protocols.pairs import PairList, read_pairs
from fr_models.data import open_dataset
from fr_models.data.selection import Selection
from fr_models.data.split import people_of_folds, split_by_people, split_identities, split_images
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fr_eval.faces import write_lfw_pairs
from tests.fr_models.data.datasets import InMemory


def dataset(labels: list[int]) -> InMemory:
    return InMemory([bytes([1])] * len(labels), labels, [f"n{label}" for label in range(max(labels) + 2)])


def people(side: Selection) -> set[str]:
    return {side.class_names[label] for label in side.labels}


LABELS = st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda labels: len(set(labels)) > 1)


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_by_identity(labels: list[int], share: float, seed: int) -> None:
    source = dataset(labels)
    training, test = split_identities(source, share, seed)
    assert not people(training) & people(test)
    assert sorted([*training.rows, *test.rows]) == list(range(len(labels)))
    for side in (training, test):
        assert people(side) == set(side.class_names)
        assert [side.class_names[k] for k in side.labels] == [f"n{labels[row]}" for row in side.rows]
    count = len(set(labels))
    assert len(test.class_names) == min(max(round(share * count), 1), count - 1)
    again = split_identities(source, share, seed)
    assert again[1].rows.tolist() == test.rows.tolist()


@settings(deadline=None)
@given(
    LABELS.filter(lambda labels: len(set(labels)) < len(labels)), st.floats(0.01, 0.99), st.integers(0, 99)
)
def test_by_image(labels: list[int], share: float, seed: int) -> None:
    source = dataset(labels)
    training, test = split_images(source, share, seed)
    assert sorted([*training.rows, *test.rows]) == list(range(len(labels)))
    assert training.class_names == test.class_names == source.class_names
    for label in set(labels):
        count = labels.count(label)
        expected = 0 if count == 1 else min(max(round(share * count), 1), count - 1)
        assert (test.labels == label).sum() == expected
    assert split_images(source, share, seed)[1].rows.tolist() == test.rows.tolist()


def test_seeds_differ_and_stay() -> None:
    source = dataset([label for label in range(50) for _ in range(4)])
    tests = [split_identities(source, 0.2, seed)[1] for seed in (0, 1)]
    assert people(tests[0]) != people(tests[1])
    names = ["n2", "n3", "n11", "n13", "n15", "n20", "n21", "n32", "n46", "n48"]
    assert tests[0].class_names == names, "the same on all rows of NumPy"
    drawn = np.array([split_images(source, 0.5, seed)[1].rows for seed in range(200)])
    shares = np.bincount(drawn.ravel(), minlength=200) / 200
    assert abs(shares - 0.5).max() < 0.2, "every image is as likely as any other"


def test_people_of_lfw_folds(shared_data: Path) -> None:
    pairs = read_pairs(shared_data / "lfw" / "pairs.txt")
    lines = (shared_data / "lfw" / "pairs.txt").read_text().splitlines()[1:]
    expected = {name for line in lines[7 * 600 :] for name in line.split() if not name.isdigit()}
    test_people = people_of_folds(pairs, [8, 9, 10])
    assert test_people == expected
    whole = open_dataset(shared_data / "lfw" / "aligned112")
    training, test = split_by_people(whole, test_people)
    assert people(test) == expected and not people(training) & expected
    assert people_of_folds(pairs, range(1, 8)) <= people(training), "View 2's folds share no people"
    assert len(training) + len(test) == 11_842
    assert len(people(training)) + len(people(test)) == 4_358


def test_wrong_folds(tmp_path: Path) -> None:
    write_lfw_pairs(tmp_path / "pairs.txt")
    pairs = read_pairs(tmp_path / "pairs.txt")
    assert people_of_folds(pairs, [2]) == {"name_02", "name_03"}
    for folds, got in (([0], "0"), ([4], "4"), ([], "none")):
        with pytest.raises(ValueError, match=f"folds: expected numbers from 1 to 3, got {got}"):
            people_of_folds(pairs, folds)
    plain = PairList(("a/1.jpg",), ("b/1.jpg",), np.array([False]))
    with pytest.raises(ValueError, match="pairs: the list has no folds"):
        people_of_folds(plain, [1])


def test_people_that_are_all_or_none() -> None:
    source = dataset([0, 1, 1])
    with pytest.raises(ValueError, match="people: none of the images are of the 1 test people, such as 'x'"):
        split_by_people(source, {"x"})
    with pytest.raises(ValueError, match="people: all of the images are of the 2 test people"):
        split_by_people(source, {"n0", "n1"})


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan"), True])
def test_wrong_shares(share: float) -> None:
    for split in (split_identities, split_images):
        with pytest.raises(ValueError, match=r"test_share: expected a number in \(0, 1\), got"):
            split(dataset([0, 0, 1, 1]), share)


def test_too_few_to_split() -> None:
    with pytest.raises(ValueError, match="identities: expected two or more with images, got 1"):
        split_identities(dataset([0, 0]), 0.5)
    with pytest.raises(ValueError, match="images: every identity has one"):
        split_images(dataset([0, 1]), 0.5)
