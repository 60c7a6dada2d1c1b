"""Triplet losses: an anchor's positive shall be nearer than its negative, by a margin.

The base owns distances and margins, a child says which triplets of a batch count. With ``d`` the distance,
the loss of a triplet is ``max(d(a, p) + margin - d(a, n), 0)``. For cosines ``d`` is ``1 - c``, so that it is
``max(c(a, n) - c(a, p) + margin, 0)``; with the margin on the angle it is
``max(c(a, n) - cos(theta(a, p) + margin), 0)``.

Losses are those of the anchors. Where a paper takes the mean over triplets or pairs, each anchor has its
share of it: the mean of shares is the paper's. Of ``B^3`` triplets no more than ``[B, B]`` is ever held.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._angles import sines
from fr_losses._checks import one_of, positive
from fr_losses._norms import SMALLEST_SQUARE, norms
from fr_losses._pairs import count, directions, pairs
from fr_losses._state import LossState
from fr_losses.embedding_loss import EmbeddingLoss, embedding_rows, plain_function

DISTANCES = ("cosine", "squared_euclidean", "euclidean")
MARGINS_ON = ("distance", "angle")


class TripletLoss(EmbeddingLoss):
    """What triplet losses share; called with ``(labels, embeddings)``.

    Parameters
    ----------
    margin : float
        In units of the distance, or in radians.
    distance : {"cosine", "squared_euclidean", "euclidean"}
        ``1 - cosine``; or Euclidean distances of the embeddings as they are, not normalised.
    margin_on : {"distance", "angle"}
        What the margin is added to. ``"angle"`` needs cosines; where the angle passes pi, ``-2`` minus its
        cosine takes the cosine's place, which would rise again.
    **settings
        As in `EmbeddingLoss`.
    """

    def __init__(
        self, margin: float = 0.35, distance: str = "cosine", margin_on: str = "distance", **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.distance = one_of("distance", distance, DISTANCES)
        self.margin_on = one_of("margin_on", margin_on, MARGINS_ON)
        if margin_on == "angle" and distance != "cosine":
            raise ValueError(f"margin_on: 'angle' needs the cosine distance, got {distance!r}")
        if not 0.0 <= margin < (math.pi if margin_on == "angle" else math.inf):
            expected = "radians in [0, pi)" if margin_on == "angle" else "a number from 0 on"
            raise ValueError(f"margin: expected {expected}, got {margin}")
        self.margin = float(margin)

    def checked_losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``; a replica may have no samples, of which there is neither first nor last."""
        missing = tf.cast(tf.equal(tf.size(labels), 0), tf.int32)
        embeddings = tf.pad(embeddings, [[0, missing], [0, 0]])
        labels = tf.pad(labels, [[0, missing]])
        return super().checked_losses(embeddings, labels, training)[: tf.size(labels) - missing]

    def current_margin(self) -> Any:
        """Return the margin, a scalar."""
        return self.margin

    def with_margin(self, distances: tf.Tensor) -> tf.Tensor:
        """Distances from which on negatives cost nothing, for positives at ``distances``."""
        margin = self.current_margin()
        if self.margin_on == "distance":
            return distances + margin
        near = 1.0 - distances
        harder = near * tf.cos(margin) - sines(near) * tf.sin(margin)
        return 1.0 - tf.where(near > -tf.cos(margin), harder, -2.0 - harder)

    def rows(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[B, D]`` as they are compared."""
        return directions(embeddings) if self.distance == "cosine" else embeddings

    def between(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Distances ``[T]`` of ``T`` pairs of rows ``[T, D]``."""
        if self.distance == "cosine":
            return 1.0 - tf.reduce_sum(first * second, axis=1)
        if self.distance == "euclidean":
            return norms(first - second)
        return tf.reduce_sum(tf.square(first - second), axis=1)

    def costs(self, anchors: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
        """Losses ``[T]`` of ``T`` triplets of rows ``[T, D]``."""
        limits = self.with_margin(self.between(anchors, positives))
        return tf.nn.relu(limits - self.between(anchors, negatives))

    def among(self, rows: tf.Tensor) -> tf.Tensor:
        """Distances ``[B, B]`` of all pairs of rows ``[B, D]``."""
        if self.distance == "cosine":
            return 1.0 - tf.matmul(rows, rows, transpose_b=True)
        rows -= tf.stop_gradient(tf.reduce_mean(rows, axis=0))  # shorter rows, equal distances: less cancels
        squares = tf.reduce_sum(tf.square(rows), axis=1)
        squares = squares[:, None] + squares[None, :] - 2.0 * tf.matmul(rows, rows, transpose_b=True)
        if self.distance == "euclidean":
            return tf.sqrt(tf.maximum(squares, SMALLEST_SQUARE))
        return tf.maximum(squares, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        settings = {"margin": self.margin, "distance": self.distance, "margin_on": self.margin_on}
        return {**super().get_config(), **settings}


@_keras.serializable
class BatchHardTriplet(TripletLoss):
    """Each anchor with its farthest positive and its nearest negative; 0 for an anchor that lacks either.

    Parameters
    ----------
    margin, distance, margin_on, **settings
        As in `TripletLoss`.

    References
    ----------
    Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017, section 2, batch hard.

    Examples
    --------
    >>> embeddings = tf.constant([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    >>> print(batch_hard_triplet(embeddings, [0, 0, 1], margin=0.3).numpy().round(3))
    [0.5  0.66 0.  ]
    """

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        rows = self.rows(embeddings)
        positives, negatives = pairs(labels)
        distances = tf.stop_gradient(self.among(rows))
        farthest = tf.gather(rows, tf.argmax(tf.where(positives, distances, float("-inf")), axis=1))
        nearest = tf.gather(rows, tf.argmin(tf.where(negatives, distances, float("inf")), axis=1))
        losses = self.costs(rows, farthest, nearest)
        if training:
            self.update_state(distances)
        complete = tf.reduce_any(positives, axis=1) & tf.reduce_any(negatives, axis=1)
        return tf.where(complete, losses, 0.0)

    def update_state(self, distances: tf.Tensor) -> None:
        """Let the distances ``[B, B]`` of a batch change the loss's state, after its losses are computed."""
        del distances


@_keras.serializable
class AutoMarginTriplet(BatchHardTriplet):
    """Batch hard, with a margin of ``share`` times the mean distance in the batch before.

    The mean is over all ``B^2`` pairs, those of a sample with itself too. On several replicas the margin is
    the mean of theirs.

    Parameters
    ----------
    share : float
        Of the mean distance.
    margin : float
        The loss's state: the first margin.
    distance, margin_on, **settings
        As in `TripletLoss`.

    References
    ----------
    Keras_insightface, ``BatchHardTripletLossEuclideanAutoAlpha``.
    """

    def __init__(
        self, share: float = 0.1, margin: float = 1.0, distance: str = "squared_euclidean", **settings: Any
    ) -> None:
        super().__init__(margin=margin, distance=distance, **settings)
        self.share = positive("share", share)
        self.state = LossState(margin=margin)

    def current_margin(self) -> Any:
        """Return the state."""
        return tf.convert_to_tensor(self.state["margin"])

    def update_state(self, distances: tf.Tensor) -> None:
        """Set the next batch's margin, unless a distance is not finite or there is one sample at most."""
        margin = self.share * tf.reduce_mean(distances)
        moves = tf.math.is_finite(margin) & (tf.size(distances) > 1)
        self.state["margin"].assign(tf.where(moves, margin, self.current_margin()))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss; the state's value is among them."""
        return {**super().get_config(), "share": self.share, **self.state.values()}


@_keras.serializable
class BatchAllTriplet(TripletLoss):
    """All triplets of the batch: the mean of those losses that are not 0.

    An anchor's loss is its sum over triplets, times ``B`` over how many losses in the batch are not 0.

    Parameters
    ----------
    margin, distance, margin_on, **settings
        As in `TripletLoss`.

    References
    ----------
    Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017, section 2, batch all
    with the mean over terms that are not 0.
    """

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del training
        positives, negatives = pairs(labels)
        distances = self.among(self.rows(embeddings))
        ascending = tf.sort(tf.where(negatives, distances, float("inf")), axis=1)
        sums_of_nearest = tf.pad(tf.cumsum(ascending, axis=1), [[0, 0], [1, 0]])
        limits = self.with_margin(distances)
        nearer = tf.where(positives, tf.searchsorted(ascending, limits), 0)
        terms = tf.cast(nearer, tf.float32)
        costs = terms * limits - tf.gather(sums_of_nearest, nearer, batch_dims=1)
        return _shares(tf.reduce_sum(costs, axis=1), tf.reduce_sum(terms))


@_keras.serializable
class SemiHardTriplet(TripletLoss):
    """All pairs of anchor and positive, each with the nearest negative that is farther than the positive.

    Where no negative is farther, the farthest of all takes its place. An anchor's loss is its sum over
    positives, times ``B`` over the number of such pairs in the batch.

    FaceNet's own setting is ``margin=0.2, distance="squared_euclidean"`` on embeddings of norm 1; that of
    TensorFlow Addons is ``margin=1.0, distance="euclidean"``.

    Parameters
    ----------
    margin, distance, margin_on, **settings
        As in `TripletLoss`.

    References
    ----------
    Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, 2015, section 3.
    """

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del training
        positives, negatives = pairs(labels)
        distances = self.among(self.rows(embeddings))
        ascending = tf.sort(tf.where(negatives, distances, float("inf")), axis=1)
        last = tf.reduce_sum(tf.cast(negatives, tf.int32), axis=1, keepdims=True) - 1
        places = tf.minimum(tf.searchsorted(ascending, distances, side="right"), last)
        semi_hard = tf.gather(ascending, tf.maximum(places, 0), batch_dims=1)
        costs = tf.nn.relu(self.with_margin(distances) - semi_hard)
        sums = tf.reduce_sum(tf.where(positives & (last >= 0), costs, 0.0), axis=1)
        return _shares(sums, tf.reduce_sum(count(positives)))


@_keras.serializable
class OfflineTriplet(TripletLoss):
    """Triplets that were mined before: a batch is anchor, positive, negative, anchor, positive, negative, ...

    Returns one loss a triplet. Labels are not looked at.

    Parameters
    ----------
    margin, distance, margin_on, **settings
        As in `TripletLoss`.

    Raises
    ------
    tf.errors.InvalidArgumentError
        When the batch is no multiple of 3.
    """

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Losses ``float32[B / 3]`` of embeddings ``[B, D]``."""
        return self.losses(embedding_rows(y_pred), y_true)

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B / 3]``."""
        del labels, training
        tf.debugging.assert_equal(
            tf.shape(embeddings)[0] % 3, 0, "embeddings: expected triplets, a batch that is a multiple of 3"
        )
        rows = self.rows(embeddings)
        anchors, positives, negatives = rows[0::3], rows[1::3], rows[2::3]
        return self.costs(anchors, positives, negatives)


def _shares(sums: tf.Tensor, terms: tf.Tensor) -> tf.Tensor:
    """Shares ``[B]`` of the anchors, whose mean is the mean over all terms of the batch."""
    return tf.math.divide_no_nan(sums * tf.cast(tf.size(sums), tf.float32), terms)


batch_hard_triplet = plain_function("batch_hard_triplet", BatchHardTriplet)
batch_all_triplet = plain_function("batch_all_triplet", BatchAllTriplet)
semi_hard_triplet = plain_function("semi_hard_triplet", SemiHardTriplet)
