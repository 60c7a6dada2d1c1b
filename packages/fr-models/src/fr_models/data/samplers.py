"""Which image stands at which place of an epoch.

An order is a pure function of the labels, the batch size, the seed and the epoch: an array of indices, batch
after batch, so that training can begin again at any step. Only whole batches are given; what would fill a
part of one is left out, other images in each epoch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fr_models._checks import is_whole
from fr_models._settings import Settings, one_of, under, whole, with_key

__all__ = ["ClassBalanced", "PerClass", "Sampler", "Shuffled", "generator", "sampler_from_dict"]

Indices = NDArray[np.int64]


def generator(seed: int, epoch: int, *stream: int) -> np.random.Generator:
    """Return the generator of an epoch's random numbers: Philox, keyed by seed, epoch and stream."""
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not is_whole(value) or value < 0:
            raise ValueError(f"{name}: expected a whole number from 0 on, got {value!r}")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, *stream])))


class Sampler(Settings, ABC):
    """Draws the order of an epoch."""

    kind: ClassVar[str]

    @abstractmethod
    def steps(self, labels: Indices, batch_size: int) -> int:
        """Batches of an epoch: the same number in every epoch."""

    @abstractmethod
    def order(self, labels: Indices, batch_size: int, seed: int, epoch: int) -> Indices:
        """Draw the indices of an epoch.

        Parameters
        ----------
        labels : ndarray of int64, shape (N,)
        batch_size : int
        seed, epoch : int
            From 0 on. Equal numbers give equal orders.

        Returns
        -------
        ndarray of int64, shape (steps * batch_size,)

        Raises
        ------
        ValueError
            If the labels do not fill one batch.
        """

    def most_classes(self, labels: Indices, batch_size: int) -> int:
        """Count the classes that a batch may have."""
        return min(batch_size, np.unique(labels).size)

    def to_dict(self) -> dict[str, Any]:
        """Return what `sampler_from_dict` reads."""
        return {"kind": self.kind, **super().to_dict()}


@dataclass(frozen=True)
class Shuffled(Sampler):
    """Every image once, in a random order.

    Examples
    --------
    >>> Shuffled().order(np.zeros(5, np.int64), batch_size=2, seed=0, epoch=0).size
    4
    """

    kind: ClassVar[str] = "shuffled"

    def steps(self, labels: Indices, batch_size: int) -> int:
        """Batches of an epoch."""
        return _whole_batches(labels, batch_size)

    def order(self, labels: Indices, batch_size: int, seed: int, epoch: int) -> Indices:
        """Draw the indices of an epoch."""
        images = self.steps(labels, batch_size) * batch_size
        return generator(seed, epoch).permutation(len(labels))[:images]


@dataclass(frozen=True)
class ClassBalanced(Sampler):
    """Every class equally often, to one image, in an epoch of as many images as there are.

    Classes take turns, each round in another order. A class gives its images in a random order and, when all
    were seen, again.
    """

    kind: ClassVar[str] = "class_balanced"

    def steps(self, labels: Indices, batch_size: int) -> int:
        """Batches of an epoch."""
        return _whole_batches(labels, batch_size)

    def order(self, labels: Indices, batch_size: int, seed: int, epoch: int) -> Indices:
        """Draw the indices of an epoch."""
        images = self.steps(labels, batch_size) * batch_size
        random = generator(seed, epoch)
        by_class = _ClassImages.shuffled(labels, random)
        classes = len(by_class.counts)
        rounds = -(-images // classes)
        turns = np.argsort(random.random((rounds, classes)), axis=1, kind="stable")
        turn = turns.reshape(-1)[:images]
        return by_class.image(turn, np.arange(images) // classes)


@dataclass(frozen=True)
class PerClass(Sampler):
    """P x K batches, for triplets: ``images_per_class`` (K) images of each of ``batch_size / K`` (P) classes.

    Images of one class lie side by side, and no class is twice in a batch. An epoch gives every image at
    least once, but for those of groups that would not fill a batch, and those of classes so large that they
    would be in every batch. The last group of a class is filled up by others of its images; a class of fewer
    images than K repeats some, drawn with replacement.

    Attributes
    ----------
    images_per_class : int
        K, at least 2.
    """

    images_per_class: Annotated[int, whole(2)] = 4
    kind: ClassVar[str] = "per_class"

    def steps(self, labels: Indices, batch_size: int) -> int:
        """Batches of an epoch: the most that no class is in twice."""
        if batch_size % self.images_per_class:
            raise ValueError(
                f"batch_size: expected a multiple of {self.images_per_class} images per class, "
                f"got {batch_size}"
            )
        classes_per_batch = batch_size // self.images_per_class
        counts = np.unique(labels, return_counts=True)[1]
        if counts.size < classes_per_batch:
            raise ValueError(
                f"batch_size: {batch_size} takes {self.images_per_class} images of {classes_per_batch} "
                f"classes, the dataset has images of {counts.size}"
            )
        groups = -(-counts // self.images_per_class)
        least, too_many = 1, int(groups.sum()) // classes_per_batch + 1
        while too_many - least > 1:  # the sum less the need is concave: feasible up to one number of steps
            steps = (least + too_many) // 2
            feasible = np.minimum(groups, steps).sum() >= classes_per_batch * steps
            least, too_many = (steps, too_many) if feasible else (least, steps)
        return least

    def order(self, labels: Indices, batch_size: int, seed: int, epoch: int) -> Indices:
        """Draw the indices of an epoch."""
        steps = self.steps(labels, batch_size)
        random = generator(seed, epoch)
        by_class = _ClassImages.shuffled(labels, random)
        class_of, number = self._chosen_groups(by_class.counts, steps, batch_size, random)
        groups = self._members(by_class, class_of, number, random)
        return groups[_table_without_repeats(class_of, steps, random)].reshape(-1)

    def most_classes(self, labels: Indices, batch_size: int) -> int:
        """Count the classes that a batch has, or a part of one, which may cut groups at both ends."""
        del labels
        whole, cut = divmod(batch_size, self.images_per_class)
        return whole + min(cut, 2)

    def _chosen_groups(
        self, counts: Indices, steps: int, batch_size: int, random: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Draw as many groups as the epoch takes, at most ``steps`` a class: classes and numbers there."""
        all_groups = -(-counts // self.images_per_class)
        class_of = np.repeat(np.arange(counts.size), all_groups)
        number = np.arange(class_of.size) - np.repeat(np.cumsum(all_groups) - all_groups, all_groups)
        keep = np.flatnonzero(
            number < steps
        )  # images are in random order, so the first groups are random ones
        needed = steps * (batch_size // self.images_per_class)
        chosen = np.sort(random.permutation(keep)[:needed])
        return class_of[chosen], number[chosen]

    def _members(
        self, by_class: _ClassImages, class_of: Indices, number: Indices, random: np.random.Generator
    ) -> Indices:
        """Return the images ``[groups, K]`` of groups."""
        size = self.images_per_class
        counts = by_class.counts[class_of][:, None]
        last_start = np.maximum(counts - size, 0)
        places = np.minimum(number[:, None] * size, last_start) + np.arange(size)
        drawn = (random.random(places.shape) * counts).astype(np.int64)
        return by_class.image(class_of[:, None], np.where(places < counts, places, drawn))


SAMPLERS: dict[str, type[Sampler]] = {kind.kind: kind for kind in (Shuffled, ClassBalanced, PerClass)}


def sampler_from_dict(settings: Any, where: str = "sampler") -> Sampler:
    """Build a sampler from a mapping such as ``{"kind": "per_class", "images_per_class": 4}``, or a kind.

    Raises
    ------
    ValueError
        If a key or value is none of those that are known; the message names them.

    Examples
    --------
    >>> sampler_from_dict("shuffled")
    Shuffled()
    """
    settings = {"kind": settings} if isinstance(settings, str) else settings
    if not isinstance(settings, dict) or "kind" not in settings:
        raise ValueError(
            f"{where}: expected a mapping with a kind, one of {', '.join(SAMPLERS)}, got {settings!r}"
        )
    kind = with_key(f"{where}.kind", one_of(*SAMPLERS), settings["kind"])
    with under(where):
        return SAMPLERS[kind].from_dict({key: value for key, value in settings.items() if key != "kind"})


@dataclass(frozen=True)
class _ClassImages:
    """Images of each class that has any, in a random order."""

    images: Indices
    starts: Indices
    counts: Indices

    @classmethod
    def shuffled(cls, labels: Indices, random: np.random.Generator) -> _ClassImages:
        images = random.permutation(len(labels))
        images = images[np.argsort(labels[images], kind="stable")]
        _, starts, counts = np.unique(labels[images], return_index=True, return_counts=True)
        return cls(images, starts, counts)

    def image(self, of_class: Indices, number: Indices) -> Indices:
        """Return images by class and number; numbers beyond the class's images begin again."""
        return self.images[self.starts[of_class] + number % self.counts[of_class]]


def _table_without_repeats(class_of: Indices, steps: int, random: np.random.Generator) -> Indices:
    """Lay groups into a table ``[steps, groups / steps]`` so that no row holds a class twice.

    Classes are laid one after the other along the columns, in a random order. None has more than ``steps``
    groups, so it meets itself in two columns at most, and the second of them gives it rows that are still
    free.
    """
    classes = int(class_of.max()) + 1
    laid = np.argsort(random.permutation(classes)[class_of], kind="stable").reshape(-1, steps)
    table = np.empty((steps, len(laid)), np.int64)
    taken_class, taken_rows = -1, np.empty(0, np.int64)
    for column, groups in enumerate(laid):
        straddling = groups[class_of[groups] == taken_class]
        free = np.setdiff1d(np.arange(steps), taken_rows, assume_unique=True)
        rows = random.permutation(free)[: straddling.size]
        others = np.setdiff1d(np.arange(steps), rows, assume_unique=True)
        table[rows, column] = straddling
        table[random.permutation(others), column] = groups[straddling.size :]
        taken_class = int(class_of[groups[-1]])
        taken_rows = np.flatnonzero(class_of[table[:, column]] == taken_class)
    return table[:, random.permutation(len(laid))]


def _whole_batches(labels: Indices, batch_size: int) -> int:
    steps = len(labels) // batch_size
    if not steps:
        raise ValueError(f"batch_size: expected at most the dataset's {len(labels)} images, got {batch_size}")
    return steps
