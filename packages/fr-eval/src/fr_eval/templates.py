"""Templates: one embedding for all images of one person in one set of photographs and videos.

For each image, in this order: sum of the embeddings of the face and its mirror image (flip), L2 norm
(``normalise_features``), detector score (``detector_score``). For each template: mean over the images of one
medium, sum over its media, one L2 norm at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fr_eval._validate import as_labels
from fr_eval.embeddings import check_embeddings
from fr_eval.errors import InputError

__all__ = ["Templates", "aggregate_templates", "combine_flip"]


@dataclass(frozen=True)
class Templates:
    """T templates.

    Attributes
    ----------
    ids : ndarray of int64, shape (T,)
        Ascending.
    embeddings : ndarray of float32, shape (T, D)
        Unit rows.
    n_media : ndarray of int64, shape (T,)
    """

    ids: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    n_media: NDArray[np.int64]

    def rows_of(self, template_ids: ArrayLike, what: str) -> NDArray[np.int64]:
        """Return the row of each template id; an unknown id is an InputError that counts all of them."""
        wanted = np.asarray(template_ids, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        unknown = np.unique(wanted[self.ids[rows] != wanted])
        if unknown.size:
            shown = ", ".join(map(str, unknown[:5])) + (", ..." if unknown.size > 5 else "")
            raise InputError(f"{what}: {unknown.size} template ids have no image: {shown}")
        return rows


def combine_flip(embeddings: NDArray[np.float32], flipped: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum of the embeddings of images and of their mirror images."""
    if embeddings.shape != flipped.shape:
        raise InputError(
            f"flip: expected two arrays of one shape, got {embeddings.shape} and {flipped.shape}"
        )
    return embeddings + flipped


def aggregate_templates(
    embeddings: NDArray[np.float32],
    template_ids: ArrayLike,
    media_ids: ArrayLike,
    *,
    detector_score: ArrayLike | None = None,
    normalise_features: bool = True,
) -> Templates:
    """Aggregate image embeddings to templates.

    Parameters
    ----------
    embeddings : array of float32, shape (N, D)
    template_ids, media_ids : array of int, shape (N,)
        Media of different templates are different, whatever their ids.
    detector_score : array of float, shape (N,), optional
        Weights. By default all weigh the same.
    normalise_features : bool
        Give every image unit norm before weighting. (Keras_insightface calls this N; insightface's N is the
        opposite, ``use_norm_score``.)

    Returns
    -------
    Templates

    Raises
    ------
    InputError
        Mismatched lengths, rows with NaN or zeros, weights that are not finite and positive, a template
        whose images cancel out.

    References
    ----------
    B. Maze et al., "IARPA Janus Benchmark - C", ICB 2018.
    """
    check_embeddings(embeddings, "templates")
    n_images = len(embeddings)
    templates = as_labels(template_ids, n_images, "template ids")
    media = as_labels(media_ids, n_images, "media ids")
    weights = _weights(embeddings, detector_score, normalise_features)

    order = np.lexsort((media, templates))
    templates, media = templates[order], media[order]
    new_template = np.r_[True, np.diff(templates) != 0]
    medium_starts = np.flatnonzero(new_template | np.r_[True, np.diff(media) != 0])
    medium_sizes = np.diff(np.r_[medium_starts, n_images])
    weights = weights[order] / np.repeat(medium_sizes, medium_sizes)

    template_starts = np.flatnonzero(new_template)
    sums = _weighted_sums(embeddings, order, weights, template_starts)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    cancelled = np.flatnonzero(norms[:, 0] == 0)
    if cancelled.size:
        raise InputError(f"template {templates[template_starts[cancelled[0]]]}: its images sum to zero")
    n_media = np.add.reduceat(np.isin(np.arange(n_images), medium_starts), template_starts, dtype=np.int64)
    return Templates(templates[template_starts], (sums / norms).astype(np.float32), n_media)


def _weights(
    embeddings: NDArray[np.float32], detector_score: ArrayLike | None, normalise_features: bool
) -> NDArray[np.float64]:
    weights = np.ones(len(embeddings))
    if normalise_features:
        weights /= np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64))
    if detector_score is not None:
        score = np.asarray(detector_score, dtype=np.float64)
        if score.shape != weights.shape:
            raise InputError(f"detector scores: expected {weights.size} entries, got shape {score.shape}")
        bad = np.flatnonzero(~(np.isfinite(score) & (score > 0)))
        if bad.size:
            raise InputError(
                f"detector scores: entry {bad[0]} is {score[bad[0]]}, expected a positive number"
            )
        weights *= score
    return weights


def _weighted_sums(
    embeddings: NDArray[np.float32],
    order: NDArray[np.int64],
    weights: NDArray[np.float64],
    starts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Sum weighted rows of each template in float64, some thousand templates at a time to bound memory."""
    sums = np.empty((len(starts), embeddings.shape[1]))
    ends = np.r_[starts[1:], len(order)]
    block = 1024
    for first in range(0, len(starts), block):
        part = slice(first, min(first + block, len(starts)))
        rows = slice(starts[part][0], ends[part][-1])
        weighted = embeddings[order[rows]] * weights[rows, None]
        sums[part] = np.add.reduceat(weighted, starts[part] - starts[part][0], axis=0)
    return sums
