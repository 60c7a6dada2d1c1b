"""Center losses: each class has a centre, which embeddings are pulled to and which follows them.

The losses of a batch are those with the centres before it; then each class of the batch moves its centre,
``c <- c - alpha sum_i (c - x_i) / (n + 1)`` over its ``n`` samples ``x_i``, and all other centres stay. On
several replicas the samples are those of all, so that the centres move as on one.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from fr_losses import _keras
from fr_losses._checks import at_least
from fr_losses._pairs import directions
from fr_losses.embedding_loss import EmbeddingLoss


class Centers(keras.layers.Layer):
    """The state of a center loss, a layer for models and checkpoints to track.

    Parameters
    ----------
    classes : int
        How many.
    embedding_dim : int
        ``D``.

    Attributes
    ----------
    centers : variable ``float32[classes, D]``
        A row a class, 0 at first.
    """

    def __init__(self, classes: int, embedding_dim: int) -> None:
        super().__init__(name="centers", dtype="float32")
        self.centers = _keras.add_state(self, "centers", (classes, embedding_dim), 0.0)
        self.built = True

    def of(self, labels: tf.Tensor) -> tf.Tensor:
        """Centres ``[B, D]`` of the classes ``labels [B]``."""
        return tf.gather(_keras.variable(self.centers), labels)

    def follow(self, embeddings: tf.Tensor, labels: tf.Tensor, alpha: float) -> None:
        """Move the centres of ``labels [B]`` towards those of ``embeddings [B, D]`` that are finite."""
        embeddings, labels = _of_all_replicas(embeddings, labels)
        finite = tf.reduce_all(tf.math.is_finite(embeddings), axis=1)
        same = (labels[:, None] == labels[None, :]) & finite[None, :]
        samples = tf.reduce_sum(tf.cast(same, tf.float32), axis=1, keepdims=True)
        steps = alpha * (self.of(labels) - embeddings) / (samples + 1.0)
        steps = tf.where(finite[:, None], steps, 0.0)
        _keras.variable(self.centers).scatter_sub(tf.IndexedSlices(steps, labels))


@_keras.serializable
class CenterLoss(EmbeddingLoss):
    """Half the squared distance of each embedding to the centre of its class.

    A loss to add to a softmax loss, with a small weight: alone it would pull all to one point.

    ``state`` holds the centres. ``.keras`` files hold them too, of a `TrainingModel` and of a model compiled
    with the loss; a checkpoint of TensorFlow takes ``tf.train.Checkpoint(state=loss.state)``; the loss's
    config has no room for them. Those of Keras_insightface are set by
    ``loss.state.centers.assign(np.load("NAME_centers.npy"))``. A loss that Keras calls in `evaluate` moves
    its centres there as well.

    Parameters
    ----------
    classes : int
        How many.
    embedding_dim : int
        ``D``.
    alpha : float in [0, 1]
        How fast centres follow; 0 keeps them.
    **settings
        As in `EmbeddingLoss`.

    Raises
    ------
    tf.errors.InvalidArgumentError
        When called with labels outside ``[0, classes)``.

    References
    ----------
    Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, 2016, equations 2 to 4.

    Examples
    --------
    >>> loss = CenterLoss(classes=10, embedding_dim=2, reduction="none")
    >>> loss([3, 3], tf.constant([[2.0, 0.0], [4.0, 0.0]])).numpy().tolist()
    [2.0, 8.0]
    >>> loss.state.centers.numpy()[3].tolist()
    [1.0, 0.0]
    """

    def __init__(self, classes: int, embedding_dim: int = 512, alpha: float = 0.5, **settings: Any) -> None:
        super().__init__(**settings)
        self.classes = at_least("classes", classes, 1)
        self.embedding_dim = at_least("embedding_dim", embedding_dim, 1)
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha: expected a number in [0, 1], got {alpha}")
        self.alpha = alpha
        self.state = Centers(self.classes, self.embedding_dim)

    def losses(self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Losses ``float32[B]``."""
        if embeddings.shape[1] != self.embedding_dim:
            raise ValueError(f"embeddings: expected shape [B, {self.embedding_dim}], got {embeddings.shape}")
        losses = self.distances(embeddings, tf.stop_gradient(self.state.of(labels)))
        if training:
            self.state.follow(tf.stop_gradient(embeddings), labels, self.alpha)
        return losses

    def distances(self, embeddings: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
        """Distances ``[B]`` of embeddings ``[B, D]`` to centres ``[B, D]``."""
        return tf.reduce_sum(tf.square(embeddings - centers), axis=1) / 2.0

    def get_config(self) -> dict[str, Any]:
        """Arguments that build a loss of equal settings, with centres at 0."""
        settings = {"classes": self.classes, "embedding_dim": self.embedding_dim, "alpha": self.alpha}
        return {**super().get_config(), **settings}


@_keras.serializable
class CosineCenterLoss(CenterLoss):
    """1 minus the cosine of each embedding with the centre of its class; a centre at 0 has the cosine 0.

    Parameters
    ----------
    classes, embedding_dim, alpha, **settings
        As in `CenterLoss`; centres follow embeddings that are not normalised, as there.

    References
    ----------
    Keras_insightface, ``CenterLossCosine``, after Wen et al., 2016.
    """

    def distances(self, embeddings: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
        """Distances ``[B]`` of embeddings ``[B, D]`` to centres ``[B, D]``."""
        return 1.0 - tf.reduce_sum(directions(embeddings) * directions(centers), axis=1)


def _of_all_replicas(embeddings: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gather the batch of all replicas: each then moves the centres alike, and their mean is that move."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return embeddings, labels
    return replica.all_gather(embeddings, axis=0), replica.all_gather(labels, axis=0)
