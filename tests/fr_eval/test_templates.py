"""Template aggregation against a plain loop in float64."""

from __future__ import annotations

import numpy as np
import pytest
from fr_eval import InputError, aggregate_templates
from fr_eval.templates import combine_flip
from hypothesis import given, settings
from hypothesis import strategies as st


def plain_templates(
    embeddings: np.ndarray,
    templates: np.ndarray,
    media: np.ndarray,
    score: np.ndarray | None,
    normalise: bool,
) -> dict[int, np.ndarray]:
    features = embeddings.astype(np.float64)
    if normalise:
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    if score is not None:
        features *= score[:, None]
    result = {}
    for template in np.unique(templates):
        total = np.zeros(features.shape[1])
        for medium in np.unique(media[templates == template]):
            total += features[(templates == template) & (media == medium)].mean(axis=0)
        result[int(template)] = total / np.linalg.norm(total)
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(0, 999))
def test_equals_plain_loop(images: int, templates: int, weighted: bool, normalise: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((images, 5)).astype(np.float32)
    template_ids = rng.integers(0, templates, images) * 7
    media_ids = rng.integers(0, 4, images)
    score = rng.uniform(0.1, 1, images) if weighted else None
    result = aggregate_templates(
        embeddings, template_ids, media_ids, detector_score=score, normalise_features=normalise
    )
    expected = plain_templates(embeddings, template_ids, media_ids, score, normalise)
    assert result.ids.tolist() == list(expected)
    np.testing.assert_allclose(result.embeddings, list(expected.values()), atol=1e-6)
    n_media = [len(np.unique(media_ids[template_ids == t])) for t in result.ids]
    assert result.n_media.tolist() == n_media


def test_blocks_of_templates_join(rng: np.random.Generator) -> None:
    ids = rng.permutation(np.repeat(np.arange(2500), 2))
    embeddings = rng.standard_normal((5000, 3)).astype(np.float32)
    result = aggregate_templates(embeddings, ids, np.arange(5000))
    some = [0, 1023, 1024, 2047, 2048, 2499]
    expected = plain_templates(embeddings, ids, np.arange(5000), None, True)
    np.testing.assert_allclose(result.embeddings[some], [expected[t] for t in some], atol=1e-6)


def test_rows_of_ids(rng: np.random.Generator) -> None:
    templates = aggregate_templates(rng.standard_normal((3, 2)).astype(np.float32), [9, 4, 6], [0, 1, 2])
    assert templates.rows_of([6, 4, 6], "pairs").tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="pairs: 2 template ids have no image: 5, 7"):
        templates.rows_of([7, 4, 5, 7], "pairs")


def test_bad_input() -> None:
    rows = np.ones((3, 2), dtype=np.float32)
    with pytest.raises(InputError, match="template ids: expected 3 entries, got 2"):
        aggregate_templates(rows, [1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="media ids: expected 3 entries, got 4"):
        aggregate_templates(rows, [1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(InputError, match=r"detector scores: entry 1 is -1.0, expected a positive number"):
        aggregate_templates(rows, [1, 2, 3], [1, 2, 3], detector_score=[1, -1, np.nan])
    with pytest.raises(InputError, match="template 4: its images sum to zero"):
        aggregate_templates(rows * np.float32([[1], [-1], [1]]), [4, 4, 5], [1, 1, 1])
    with pytest.raises(InputError, match=r"flip: expected two arrays of one shape"):
        combine_flip(rows, rows[:2])
