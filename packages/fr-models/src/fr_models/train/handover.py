"""What the classes have learnt goes from stage to stage: softmax to margin and back, and over sub-centers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fr_models.surgery.sub_centers import reduce_sub_centers, sub_center_counts

__all__ = ["count_sub_centers", "hand_over", "needs_counts"]

SPREAD = 0.1  # length of what is added to a copied center, as a share of its own


def hand_over(previous: Any, head: Any, counts: NDArray[np.int64] | None = None, seed: int = 0) -> None:
    """Give a head the rows of the classes of another.

    Rows stay bit for bit between heads of as many sub-centers, whatever their losses. Of several sub-centers
    a head of one takes the dominant. A head of several takes a head of one's center and copies of it, each
    with a random vector of a tenth of its length added, so that they can part. A head without classes gives
    and takes nothing.

    Parameters
    ----------
    previous, head : head of a TrainingModel
        From, to.
    counts : int ``[C, K]``, optional
        How many samples are nearest to each sub-center (`count_sub_centers`), to go from several to one.
    seed : int
        Of random vectors.

    Raises
    ------
    ValueError
        If the heads are of other classes or embeddings, have several sub-centers each, not as many, or
        `counts` are missing.
    """
    if previous.class_weights is None or head.class_weights is None:
        return
    rows, count = np.asarray(previous.class_weights.numpy()), previous.sub_centers
    if previous.classes != head.classes:
        raise ValueError(f"classes: expected {previous.classes}, as in the stage before, got {head.classes}")
    if count != head.sub_centers:
        rows = _with_sub_centers(rows, count, head.sub_centers, counts, seed)
    expected = head.class_weights.numpy().shape
    if rows.shape != expected:
        raise ValueError(
            f"embedding_dim: expected {rows.shape[1]}, as in the stage before, got {expected[1]}"
        )
    head.class_weights.assign(rows)


def needs_counts(previous: Any, sub_centers: int) -> bool:
    """Whether going on with ``sub_centers`` needs to know which center of ``previous`` is the dominant."""
    return previous.class_weights is not None and previous.sub_centers > 1 == sub_centers


def count_sub_centers(model: Any, batches: Iterable[Any]) -> NDArray[np.int64]:
    """Count for each sub-center the samples of its class that are nearest to it.

    Parameters
    ----------
    model : TrainingModel
        With a head of several sub-centers.
    batches : iterable of ``(images, labels)``
        All images, as `fr_models.train.images.plain_batches` gives them.

    Returns
    -------
    int64 ``[C, K]``
    """
    rows, count = np.asarray(model.head.class_weights.numpy()), model.head.sub_centers
    counts = np.zeros((model.head.classes, count), np.int64)
    embed = tf.function(
        lambda images: model.backbone(images, training=False), reduce_retracing=True, autograph=False
    )
    for images, labels in batches:
        counts += sub_center_counts(rows, count, np.asarray(embed(images)), np.asarray(labels))
    return counts


def _with_sub_centers(
    rows: NDArray[Any], before: int, after: int, counts: NDArray[np.int64] | None, seed: int
) -> NDArray[Any]:
    if after == 1:
        if counts is None:
            raise ValueError(
                f"sub_centers: going from {before} to 1 needs images, to find the dominant center"
            )
        return reduce_sub_centers(rows, before, counts)
    if before > 1:
        raise ValueError(f"sub_centers: expected 1 or {before}, as in the stage before, got {after}")
    copies = np.repeat(rows[:, None, :], after, axis=1)
    random = np.random.default_rng(seed).normal(size=copies[:, 1:].shape)
    random *= (
        SPREAD * np.linalg.norm(rows, axis=1)[:, None, None] / np.linalg.norm(random, axis=2, keepdims=True)
    )
    copies[:, 1:] += random.astype(rows.dtype)
    return copies.reshape(-1, rows.shape[1])
