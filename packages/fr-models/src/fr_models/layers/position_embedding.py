"""Learned vectors of places."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from fr_models import _keras


@_keras.serializable
class PositionEmbedding(keras.layers.Layer):
    """Adds to each place of a map ``[B, H, W, C]`` a vector of its own.

    References
    ----------
    Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, section 3.1.
    """

    def build(self, input_shape: Any) -> None:
        """Make the vectors."""
        self.position = self.add_weight(
            name="position",
            shape=tuple(input_shape)[1:],
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            trainable=True,
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the sums."""
        return inputs + self.position

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Keep the shape."""
        return input_shape
