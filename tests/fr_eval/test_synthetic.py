"""The synthetic population: its shape, its seed, and that it is neither trivial nor hopeless."""

from __future__ import annotations

from dataclasses import replace

import fr_native
import numpy as np
import pytest
from fr_eval import InputError, evaluate_identification, evaluate_verification, search_galleries
from fr_eval.synthetic import IJBC_SIZE, QUICK_SIZE, synthetic_pairs, synthetic_population


def test_shapes_and_seed() -> None:
    population = synthetic_population(QUICK_SIZE, 3)
    assert population.embeddings.shape == (178 + 176 + 1960, 128)
    np.testing.assert_allclose(np.linalg.norm(population.embeddings, axis=1), 1, atol=1e-6)
    again = synthetic_population(QUICK_SIZE, 3)
    np.testing.assert_array_equal(again.embeddings, population.embeddings)
    assert not np.array_equal(synthetic_population(QUICK_SIZE, 4).subjects, population.subjects)
    assert IJBC_SIZE.gallery == (1772, 1759) and IJBC_SIZE.probes == 19_593


def test_pairs_are_what_they_say() -> None:
    population = synthetic_population(QUICK_SIZE)
    first, second, is_same = synthetic_pairs(population)
    np.testing.assert_array_equal(population.subjects[first] == population.subjects[second], is_same)
    assert is_same.sum() == 1960 and (~is_same).sum() == 400_000
    assert (first != second).all()


def test_a_benchmark_of_middling_difficulty() -> None:
    population = synthetic_population(QUICK_SIZE)
    first, second, is_same = synthetic_pairs(population)
    scores = fr_native.pair_scores(population.embeddings, first, second)
    verification = evaluate_verification(scores[is_same], scores[~is_same], [1e-3])
    assert 0.7 < verification.operating_points[0].tar < 0.97
    identification = evaluate_identification(search_galleries(*population.probes(), population.galleries()))
    for gallery in identification.galleries.values():
        assert 0.8 < gallery.rank[1].value < 0.97


def test_too_small() -> None:
    with pytest.raises(InputError, match="expected two galleries and at least two probes"):
        synthetic_population(replace(QUICK_SIZE, probes=1))
