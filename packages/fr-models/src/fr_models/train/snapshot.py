"""The backbone as it is evaluated and exported: a copy that no strategy, optimizer or freezing touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from fr_eval.embedders import Preprocessing
from numpy.typing import NDArray
from tensorflow import keras

from fr_models.train.nonfinite import NonFinite

__all__ = ["Snapshot"]


class Snapshot:
    """A copy of a backbone with weights of its own: an embedder, and what best.keras is written from.

    Made outside of the strategy's scope, so that it reads nothing of other replicas or workers.

    Parameters
    ----------
    backbone : keras.Model
        Images to embeddings; functional or sequential.
    preprocessing : fr_eval.embedders.Preprocessing
        What training does to pixels.
    """

    def __init__(self, backbone: Any, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing
        self.network = keras.models.clone_model(backbone)
        self.network.trainable = True
        self._embed = tf.function(
            lambda images: self.network(images, training=False), reduce_retracing=True, autograph=False
        )

    def take(self, weights: list[NDArray[Any]]) -> None:
        """Take weights, in the order of the backbone's."""
        self.network.set_weights(weights)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings ``float32 [B, D]`` of uint8 RGB images ``[B, H, W, 3]``.

        Raises
        ------
        NonFinite
            If one is not finite.
        """
        inputs = tf.constant(self.preprocessing.apply(images))
        embeddings = np.asarray(self._embed(inputs), dtype=np.float32)
        if not np.isfinite(embeddings).all():
            raise NonFinite("embeddings of the evaluation are not finite: the network has diverged")
        return embeddings
