"""Losses that weigh all pairs of a batch: of an anchor with its positives and with its negatives."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from fr_losses import _keras
from fr_losses._checks import finite, positive
from fr_losses._pairs import cosines, count, pairs
from fr_losses.embedding_loss import EmbeddingLoss, plain_function


@_keras.serializable
class MultiSimilarity(EmbeddingLoss):
    """Softly counts positives that are less, and negatives that are more similar than ``base``.

    ``log(1 + sum_p exp(-alpha (c_p - base))) / alpha + log(1 + sum_n exp(beta (c_n - base))) / beta`` over
    cosines ``c`` of the anchor with the positives and negatives that are mined: positives whose cosine is
    less than ``epsilon`` above that of the nearest negative, negatives less than ``epsilon`` below the
    farthest positive.

    Parameters
    ----------
    alpha, beta : float
        How sharply positives and negatives are weighed.
    base : float
        The paper's ``lambda``, a cosine.
    epsilon : float
        The margin of mining, a cosine.
    **settings
        As in `EmbeddingLoss`.

    References
    ----------
    Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, 2019.

    Examples
    --------
    >>> embeddings = tf.constant([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    >>> print(multi_similarity(embeddings, [0, 0, 1]).numpy().round(3))
    [0.599 0.759 0.   ]
    """

    def __init__(
        self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5, epsilon: float = 0.1, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.alpha = positive("alpha", alpha)
        self.beta = positive("beta", beta)
        self.base = finite("base", base)
        self.epsilon = epsilon

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del training
        similar = cosines(embeddings)
        positives, negatives = pairs(labels)
        farthest = tf.reduce_min(tf.where(positives, similar, float("inf")), axis=1, keepdims=True)
        nearest = tf.reduce_max(tf.where(negatives, similar, float("-inf")), axis=1, keepdims=True)
        positives &= similar < nearest + self.epsilon
        negatives &= similar > farthest - self.epsilon
        pull = _soft_count(-self.alpha * (similar - self.base), positives) / self.alpha
        return pull + _soft_count(self.beta * (similar - self.base), negatives) / self.beta

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        settings = {"alpha": self.alpha, "beta": self.beta, "base": self.base, "epsilon": self.epsilon}
        return {**super().get_config(), **settings}


@_keras.serializable
class SupervisedContrastive(EmbeddingLoss):
    """Mean over positives ``p`` of ``-log(exp(c_p / temperature) / sum_a exp(c_a / temperature))``.

    ``c`` are cosines of the anchor with all other samples ``a``; the mean is outside of the logarithm, the
    paper's ``L_out``.

    Parameters
    ----------
    temperature : float
        The smaller, the more the nearest negatives weigh.
    **settings
        As in `EmbeddingLoss`.

    References
    ----------
    Khosla et al., Supervised Contrastive Learning, 2020, equation 2.

    Examples
    --------
    >>> embeddings = tf.constant([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    >>> print(supervised_contrastive(embeddings, [0, 0, 1]).numpy().round(3))
    [2.127 3.627 0.   ]
    """

    def __init__(self, temperature: float = 0.1, **settings: Any) -> None:
        super().__init__(**settings)
        self.temperature = positive("temperature", temperature)

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del training
        logits = cosines(embeddings) / self.temperature
        positives, negatives = pairs(labels)
        others = tf.where(positives | negatives, logits, float("-inf"))
        log_likelihoods = logits - tf.reduce_logsumexp(others, axis=1, keepdims=True)
        total = tf.reduce_sum(tf.where(positives, log_likelihoods, 0.0), axis=1)
        return tf.math.divide_no_nan(-total, count(positives))

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "temperature": self.temperature}


@_keras.serializable
class BatchAllPairs(EmbeddingLoss):
    """Mean distance to all positives, plus the mean cosine with the negatives that come too near.

    ``sum_p (1 - c_p) / (P + 1) + sum_n c_n / (N + 1)`` for an anchor's ``P`` positives and those ``N``
    negatives whose cosine is less than ``margin`` below that of its farthest positive. An anchor without
    positives is its own, so it keeps negatives off.

    Parameters
    ----------
    margin : float
        A cosine.
    **settings
        As in `EmbeddingLoss`.

    References
    ----------
    Keras_insightface, ``BatchAllTripletLoss``. It is no loss of triplets: for that, see `BatchAllTriplet`.
    """

    def __init__(self, margin: float = 0.35, **settings: Any) -> None:
        super().__init__(**settings)
        self.margin = finite("margin", margin)

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        del training
        similar = cosines(embeddings)
        positives, negatives = pairs(labels)
        farthest = tf.reduce_min(tf.where(positives, similar, 1.0), axis=1, keepdims=True)
        near = negatives & (farthest - similar < self.margin)
        pull = tf.reduce_sum(tf.where(positives, 1.0 - similar, 0.0), axis=1) / (count(positives) + 1.0)
        return pull + tf.reduce_sum(tf.where(near, similar, 0.0), axis=1) / (count(near) + 1.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that build an equal loss."""
        return {**super().get_config(), "margin": self.margin}


def _soft_count(logits: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """``log(1 + sum exp(logit))`` over the chosen of each row."""
    terms = tf.where(chosen, logits, float("-inf"))
    return tf.reduce_logsumexp(tf.pad(terms, [[0, 0], [1, 0]]), axis=1)  # a logit of 0 in front is the 1


batch_all_pairs = plain_function("batch_all_pairs", BatchAllPairs)
multi_similarity = plain_function("multi_similarity", MultiSimilarity)
supervised_contrastive = plain_function("supervised_contrastive", SupervisedContrastive)
