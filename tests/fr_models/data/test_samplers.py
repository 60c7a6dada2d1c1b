"""Orders of an epoch: pure functions of seed and epoch, with the properties that their names promise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from fr_models.data import ClassBalanced, PerClass, Sampler, Shuffled, sampler_from_dict
from hypothesis import assume, given, settings
from hypothesis import strategies as st

SAMPLERS = [Shuffled(), ClassBalanced(), PerClass(2), PerClass(4)]
LABELS = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 11, 30, 6, 8])


def shuffled_labels(counts: list[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_an_order_is_a_function_of_seed_and_epoch(sampler: Sampler) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return sampler.order(LABELS, 8, seed, epoch).tolist()

    assert order(3, 5) == order(3, 5)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert len(order(3, 5)) == 8 * sampler.steps(LABELS, 8)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_classes_of_a_batch(sampler: Sampler) -> None:
    """None has more than it may have; those of P x K batches have as many."""
    for batch in (4, 8, 16):
        orders = [sampler.order(LABELS, batch, 0, epoch).reshape(-1, batch) for epoch in range(9)]
        found = [len(set(LABELS[indices])) for order in orders for indices in order]
        assert max(found) <= sampler.most_classes(LABELS, batch) <= min(batch, 9)
        if isinstance(sampler, PerClass):
            assert set(found) == {sampler.most_classes(LABELS, batch)}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("parts", [2, 3, 4, 8, 12, 24])
def test_classes_of_a_part_of_a_batch(sampler: Sampler, parts: int) -> None:
    """None has more than it may have; where parts are of whole groups, one has as many."""
    labels, size = np.repeat(np.arange(15), 24), 24 // parts
    orders = [sampler.order(labels, 24, 0, epoch).reshape(-1, size) for epoch in range(9)]
    found = max(len(set(labels[indices])) for order in orders for indices in order)
    assert found <= sampler.most_classes(labels, size)
    if isinstance(sampler, PerClass) and size % sampler.images_per_class == 0:
        assert found == sampler.most_classes(labels, size)


@pytest.mark.parametrize(
    ("sampler", "digest"),
    [
        (Shuffled(), "d28bca69483d0d05"),
        (ClassBalanced(), "d16de9719743fa0b"),
        (PerClass(4), "e7e170c9750dfcd7"),
    ],
    ids=repr,
)
def test_orders_stay_the_same_over_versions(sampler: Sampler, digest: str) -> None:
    """A checkpoint of another machine, and of another NumPy, must go on in the same order."""
    order = sampler.order(LABELS, 8, seed=7, epoch=3)
    assert order.dtype == np.int64
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()[:16] == digest


@given(images=st.integers(1, 200), batch=st.integers(1, 50), seed=st.integers(0, 2**40))
def test_shuffled_gives_every_image_once(images: int, batch: int, seed: int) -> None:
    assume(batch <= images)
    order = Shuffled().order(np.zeros(images, np.int64), batch, seed, 0)
    assert len(set(order)) == len(order) == images // batch * batch
    assert set(order) <= set(range(images))


def test_images_left_out_differ_between_epochs() -> None:
    labels = np.zeros(10, np.int64)
    left_out = [set(range(10)) - set(Shuffled().order(labels, 8, 0, epoch)) for epoch in range(40)]
    assert set.union(*left_out) == set(range(10))


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    batch=st.integers(1, 20),
    seed=st.integers(0, 9),
)
def test_class_balanced_gives_classes_and_their_images_equally_often(
    counts: list[int], batch: int, seed: int
) -> None:
    assume(batch <= sum(counts))
    labels = shuffled_labels(counts, seed)
    order = ClassBalanced().order(labels, batch, seed, 0)
    of_class = np.bincount(labels[order], minlength=len(counts))
    assert of_class.max() - of_class.min() <= 1
    of_image = np.bincount(order, minlength=len(labels))
    for label in range(len(counts)):
        assert np.ptp(of_image[labels == label]) <= 1


@settings(max_examples=200)
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=14),
    per_class=st.integers(2, 5),
    classes=st.integers(1, 6),
    seed=st.integers(0, 9),
)
def test_per_class_batches_hold_p_classes_of_k_images(
    counts: list[int], per_class: int, classes: int, seed: int
) -> None:
    assume(classes <= len(counts))
    labels = shuffled_labels(counts, seed)
    sampler, batch_size = PerClass(per_class), classes * per_class
    groups = sampler.order(labels, batch_size, seed, 1).reshape(-1, classes, per_class)
    assert len(groups) == sampler.steps(labels, batch_size) >= 1
    of_group = labels[groups]
    assert (of_group == of_group[:, :, :1]).all()
    assert all(len(set(batch)) == classes for batch in of_group[:, :, 0].tolist())
    for group in groups.reshape(-1, per_class):
        held = counts[labels[group[0]]]
        assert (
            len(set(group)) == per_class
            if held >= per_class
            else set(group) == set(np.flatnonzero(labels == labels[group[0]]))
        )


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=14),
    per_class=st.integers(2, 5),
    classes=st.integers(1, 6),
)
def test_per_class_leaves_out_only_what_fills_no_batch(
    counts: list[int], per_class: int, classes: int
) -> None:
    assume(classes <= len(counts))
    labels = shuffled_labels(counts, 0)
    sampler = PerClass(per_class)
    order = sampler.order(labels, classes * per_class, 0, 0)
    steps = sampler.steps(labels, classes * per_class)
    groups = [-(-count // per_class) for count in counts]
    given_groups = np.bincount(labels[order], minlength=len(counts)) // per_class
    assert given_groups.sum() == steps * classes
    one_more = sum(min(count, steps + 1) for count in groups)
    assert one_more < (steps + 1) * classes  # another batch would need a class twice
    for label, held in enumerate(counts):
        if given_groups[label] == groups[label]:
            assert set(order[labels[order] == label]) == set(np.flatnonzero(labels == label)), held


def test_per_class_mixes_who_meets_whom() -> None:
    """Over epochs, every pair of classes is in a batch together."""
    labels = np.repeat(np.arange(12), 20)
    met = np.zeros((12, 12), bool)
    for epoch in range(12):
        for batch in labels[PerClass(4).order(labels, 12, 0, epoch)].reshape(-1, 12):
            met[np.ix_(batch, batch)] = True
    assert met.all()


def test_per_class_of_a_large_set_is_quick() -> None:
    """A hundred thousand people: no step of the work is quadratic."""
    counts = np.random.default_rng(0).integers(1, 60, 100_000)
    labels = np.repeat(np.arange(counts.size), counts)
    order = PerClass(4).order(labels, 128, 0, 0).reshape(-1, 32, 4)
    classes = np.sort(labels[order[:, :, 0]], axis=1)
    assert (np.diff(classes, axis=1) > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shuffled().order(LABELS, 71, 0, 0), "expected at most the dataset's 70 images, got 71"),
        (lambda: Shuffled().order(LABELS, 8, -1, 0), "seed: expected a whole number from 0 on, got -1"),
        (lambda: Shuffled().order(LABELS, 8, 0, 1.5), "epoch: expected a whole number from 0 on, got 1.5"),
        (lambda: PerClass(1), "images_per_class: expected a whole number from 2 on, got 1"),
        (lambda: PerClass(4).steps(LABELS, 10), "expected a multiple of 4 images per class, got 10"),
        (lambda: PerClass(4).steps(LABELS, 40), "takes 4 images of 10 classes, the dataset has images of 9"),
        (
            lambda: sampler_from_dict("shufled"),
            "sampler.kind: expected one of shuffled, class_balanced, per_class, got 'shufled'",
        ),
        (
            lambda: sampler_from_dict({"kind": "per_class", "image_per_class": 4}, "data.sampler"),
            r"data.sampler.image_per_class: no such key, did you mean images_per_class\?",
        ),
        (
            lambda: sampler_from_dict({"kind": "per_class", "images_per_class": "four"}),
            "sampler.images_per_class: expected a whole number from 2 on, got 'four'",
        ),
        (
            lambda: sampler_from_dict({"images_per_class": 4}),
            "expected a mapping with a kind, one of shuffled",
        ),
    ],
)
def test_wrong_settings_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_settings_round_trip(sampler: Sampler) -> None:
    assert sampler_from_dict(sampler.to_dict()) == sampler
