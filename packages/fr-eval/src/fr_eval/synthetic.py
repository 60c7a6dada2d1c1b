"""A seeded synthetic population: embeddings in the shape of IJB-C, for the demo, benchmarks and tests.

Each subject has a centre drawn from a Gaussian whose variance falls over the dimensions, as in trained
networks, so that impostors are not all orthogonal. A template is a few media of one subject; a medium is the
centre plus noise of the template (its pose, age, quality: some templates are far worse than others) plus
noise of the medium.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr_eval.errors import InputError
from fr_eval.templates import aggregate_templates

__all__ = [
    "IJBC_SIZE",
    "QUICK_SIZE",
    "Population",
    "PopulationSize",
    "synthetic_pairs",
    "synthetic_population",
]

SPECTRUM_DECAY = 60.0
MEDIUM_NOISE = 0.9
TEMPLATE_NOISE_MEDIAN = 1.0
TEMPLATE_NOISE_SPREAD = 0.35
LARGEST_MEDIA = 4


@dataclass(frozen=True)
class PopulationSize:
    """How many subjects, templates and pairs to draw.

    Attributes
    ----------
    gallery : tuple of int
        Subjects (one template each) in galleries G1 and G2, which share none.
    probes : int
        Probe templates; each has its subject in exactly one gallery.
    impostor_pairs : int
        1:1 pairs of two subjects. Each probe with its gallery template makes the genuine pairs.
    dim : int
    """

    gallery: tuple[int, int]
    probes: int
    impostor_pairs: int
    dim: int = 512


IJBC_SIZE = PopulationSize((1772, 1759), 19_593, 15_600_000)
QUICK_SIZE = PopulationSize((178, 176), 1_960, 400_000, 128)


@dataclass(frozen=True)
class Population:
    """Templates of a synthetic population: gallery G1, gallery G2, probes, in this order.

    Attributes
    ----------
    embeddings : ndarray of float32, shape (T, D)
        Unit rows.
    subjects : ndarray of int64, shape (T,)
    size : PopulationSize
    """

    embeddings: NDArray[np.float32]
    subjects: NDArray[np.int64]
    size: PopulationSize

    @property
    def n_enrolled(self) -> int:
        """Number of gallery templates."""
        return sum(self.size.gallery)

    def galleries(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Return embeddings and subjects of G1 and G2."""
        first = slice(0, self.size.gallery[0])
        second = slice(self.size.gallery[0], self.n_enrolled)
        return {
            "G1": (self.embeddings[first], self.subjects[first]),
            "G2": (self.embeddings[second], self.subjects[second]),
        }

    def probes(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return embeddings and subjects of the probes."""
        return self.embeddings[self.n_enrolled :], self.subjects[self.n_enrolled :]


def synthetic_population(size: PopulationSize = IJBC_SIZE, seed: int = 0) -> Population:
    """Draw media embeddings and aggregate them to templates.

    Parameters
    ----------
    size : PopulationSize
    seed : int
        The same seed gives the same population.
    """
    if size.probes < 2 or min(size.gallery) < 1:
        raise InputError(f"population: expected two galleries and at least two probes, got {size}")
    rng = np.random.default_rng(seed)
    enrolled = np.arange(sum(size.gallery))
    subjects = np.concatenate([enrolled, rng.integers(0, enrolled.size, size.probes)])
    spread = np.sqrt(1 / (1 + np.arange(size.dim) / SPECTRUM_DECAY)).astype(np.float32)
    spread /= np.linalg.norm(spread)
    centres = rng.standard_normal((enrolled.size, size.dim), dtype=np.float32) * spread
    noise = rng.lognormal(np.log(TEMPLATE_NOISE_MEDIAN), TEMPLATE_NOISE_SPREAD, subjects.size)
    templates = rng.standard_normal((subjects.size, size.dim), dtype=np.float32) * spread
    templates *= noise.astype(np.float32)[:, None]
    templates += centres[subjects]

    template_of = np.repeat(np.arange(subjects.size), rng.integers(1, LARGEST_MEDIA + 1, subjects.size))
    media = rng.standard_normal((template_of.size, size.dim), dtype=np.float32) * (MEDIUM_NOISE * spread)
    media += templates[template_of]
    aggregated = aggregate_templates(media, template_of, np.arange(template_of.size))
    return Population(aggregated.embeddings, subjects, size)


def synthetic_pairs(
    population: Population, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Draw 1:1 pairs of templates: every probe with its gallery template, and random impostors.

    Returns
    -------
    first, second : ndarray of int64, shape (P,)
        Rows of ``population.embeddings``.
    is_same : ndarray of bool, shape (P,)
    """
    rng = np.random.default_rng([seed, 1])
    subjects, n_enrolled = population.subjects, population.n_enrolled
    probes = np.arange(n_enrolled, subjects.size)
    first = rng.integers(0, subjects.size, population.size.impostor_pairs)
    second = rng.integers(0, subjects.size, population.size.impostor_pairs)
    while (clash := np.flatnonzero(subjects[first] == subjects[second])).size:
        second[clash] = rng.integers(0, subjects.size, clash.size)
    is_same = np.zeros(probes.size + first.size, dtype=bool)
    is_same[: probes.size] = True
    return np.concatenate([subjects[probes], first]), np.concatenate([probes, second]), is_same
